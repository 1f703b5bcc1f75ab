"""Protocols walk a learning algorithm through a data set, so that no one can peek at the test.

The idea is skdata's (Bergstra, Pinto and Cox, 2013): an experiment never holds the images
it is judged on; it hands an algorithm to the protocol and is told an error rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from hpconv.datasets.image_rows import ImageRows


@dataclass(frozen=True)
class Task:
    """Examples with their labels.

    Args:
        rows: of the images in the data file: ``(n,)``, or ``(n, 2)`` where examples are pairs.
    """

    name: str
    rows: np.ndarray
    labels: np.ndarray


class LearningAlgorithm(Protocol):
    """What a protocol drives."""

    def fit(self, task: Task, validation: Task | None = None) -> None: ...

    def predict(self, task: Task) -> np.ndarray: ...


class Selection:
    """Choosing a model: fit on train, judge on validation; no test image is ever read.

    ``images`` are those of both tasks, of which rows ``rows`` of the data file, rising, are made.
    """

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            self.train = _task(file, "train")
            self.validation = _task(file, "validation")
            self.pairs = "pairs" in file
        self.rows = np.union1d(self.train.rows, self.validation.rows)
        self.images = ImageRows(path, self.rows)

    def unlabelled(self, count: int) -> np.ndarray:
        """The first training images, for learning filters: at most count of them."""
        return self.images[np.searchsorted(self.rows, _first(self.train.rows, count))]

    def pair_counts(self) -> tuple[int, int]:
        """Pairs to train and to validate on; none where examples are images."""
        return (len(self.train.rows), len(self.validation.rows)) if self.pairs else (0, 0)

    def loss(self, algorithm: LearningAlgorithm) -> float:
        """The validation error rate of an algorithm fitted on the training examples."""
        algorithm.fit(self.train, self.validation)
        return error_rate(algorithm.predict(self.validation), self.validation.labels)


@dataclass(frozen=True)
class Outcome:
    """What a chosen model said of a fold's test examples, and the truth."""

    labels: np.ndarray
    predictions: np.ndarray
    n_classes: int

    @property
    def error(self) -> float:
        """The share of examples labelled wrongly."""
        return error_rate(self.predictions, self.labels)


class Evaluation:
    """Judging a chosen model: fit on each fold's training examples, measure once on its test."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            self.pairs = "pairs" in file
            self.image_shape: tuple[int, int, int] = file["images"].shape[1:]
            self._n_classes = len(file["classes"])
            self._folds = [
                (_task(file, f"folds/{number}/train"), _task(file, f"folds/{number}/test"))
                for number in range(len(file["folds"]))
            ]

    def outcomes(self, new: Callable[[], LearningAlgorithm]) -> list[Outcome]:
        """Let a new algorithm learn each fold, and label its test examples."""
        return [self._judge(new(), train, test) for train, test in self._folds]

    def _judge(self, algorithm: LearningAlgorithm, train: Task, test: Task) -> Outcome:
        algorithm.fit(train)
        return Outcome(test.labels, algorithm.predict(test), self._n_classes)


def error_rate(predictions: np.ndarray, labels: np.ndarray) -> float:
    """The share of predictions that are wrong."""
    return float(np.mean(predictions != labels))


def unlabelled(path: Path, count: int) -> np.ndarray:
    """The first training images, for learning filters: at most count of them."""
    with h5py.File(path) as file:
        return ImageRows(path, _first(_task(file, "train").rows, count))[:]


def used_rows(path: Path) -> np.ndarray:
    """Rows of all images that occur in any task, rising."""
    with h5py.File(path) as file:
        names = ["train", "validation"]
        names += [f"folds/{k}/{part}" for k in file["folds"] for part in ("train", "test")]
        return np.unique(np.concatenate([_task(file, name).rows.ravel() for name in names]))


def checksum(path: Path) -> str:
    """What a data file says of its content."""
    with h5py.File(path) as file:
        return str(file.attrs["checksum"])


def _first(rows: np.ndarray, count: int) -> np.ndarray:
    """At most count different rows, rising: those of the first examples."""
    _, first = np.unique(rows, return_index=True)
    return np.sort(rows.ravel()[np.sort(first)[:count]])


def _task(file: h5py.File, name: str) -> Task:
    examples = file[name][()]
    rows = file["pairs"][()][examples] if "pairs" in file else examples
    return Task(name, rows, file["labels"][()][examples])
