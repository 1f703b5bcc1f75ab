"""A small convolutional network for comparison, trained by backpropagation for a given time."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Selection, Task

BATCH, RATE = 64, 1e-3
EPOCHS = 200  # at most


def build(shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    """Two convolutions with pooling, then two dense layers with dropout."""
    channels, size = shape[0], shape[-1]
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25),
        nn.Linear(64 * (size // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, n_classes),
    )  # fmt: skip


class Network:
    """The network as a learning algorithm; the epoch with the least validation error counts."""

    def __init__(self, data: Path, minutes: float, seed: int) -> None:
        torch.manual_seed(seed)
        with DataFile(data) as file:
            self._images = torch.from_numpy(file.images[()]).float() / 255
            self._model = build(file.image_shape, len(file.classes))
        self._seconds = 60 * minutes

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Train on a task's images until the processor time is used."""
        assert validation is not None
        labels = torch.from_numpy(task.labels).long()
        optimizer = torch.optim.Adam(self._model.parameters(), RATE)
        start, best = time.process_time(), (1.0, self._model.state_dict())
        for _ in range(EPOCHS):
            self._epoch(torch.from_numpy(task.rows), labels, optimizer)
            error = float(np.mean(self.predict(validation) != validation.labels))
            if error < best[0]:
                best = error, {k: v.clone() for k, v in self._model.state_dict().items()}
            if time.process_time() - start > self._seconds:
                break
        self._model.load_state_dict(best[1])

    def _epoch(
        self, rows: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer
    ) -> None:
        self._model.train()
        for chosen in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            scores = self._model(self._images[rows[chosen]])
            nn.functional.cross_entropy(scores, labels[chosen]).backward()
            optimizer.step()

    def predict(self, task: Task) -> np.ndarray:
        """Labels of a task's images."""
        self._model.eval()
        with torch.no_grad():
            parts = torch.from_numpy(task.rows).split(1000)
            return np.concatenate([self._model(self._images[p]).argmax(1).numpy() for p in parts])


class Trained:
    """A network that learns no more."""

    def __init__(self, network: Network) -> None:
        self.predict = network.predict

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Leave it as it is."""


def train(data: Path, minutes: float, seed: int) -> float:
    """Test error of a network that was trained for so many processor minutes."""
    network = Network(data, minutes, seed)
    Selection(data).loss(network)
    (fold,) = Evaluation(data).folds
    return fold.fit_and_test(Trained(network)).error
