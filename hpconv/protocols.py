"""Protocols walk a learning algorithm through a data set, so that no one can peek at the test.

The idea is skdata's (Bergstra, Pinto and Cox, 2013): an experiment never holds the images
it is judged on; it hands an algorithm to the protocol and is told an error rate.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np


@dataclass(frozen=True)
class Task:
    """Examples by their row in the data file, with their labels."""

    name: str
    rows: np.ndarray
    labels: np.ndarray


class LearningAlgorithm(Protocol):
    """What a protocol drives."""

    def fit(self, task: Task) -> None: ...

    def predict(self, task: Task) -> np.ndarray: ...


class Selection:
    """Choosing a model: fit on train, judge on validation; no test row is ever read."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            self.train = _task(file, "train")
            self.validation = _task(file, "validation")
            self.rows = np.sort(np.concatenate([self.train.rows, self.validation.rows]))
            self.images = file["images"][self.rows]

    def loss(self, algorithm: LearningAlgorithm) -> float:
        """The validation error rate of an algorithm fitted on the training images."""
        algorithm.fit(self.train)
        return float(np.mean(algorithm.predict(self.validation) != self.validation.labels))


@dataclass(frozen=True)
class Outcome:
    """What a chosen model said of the test images, and the truth."""

    labels: np.ndarray
    predictions: np.ndarray

    @property
    def error(self) -> float:
        """The share of images labelled wrongly."""
        return float(np.mean(self.predictions != self.labels))


class Evaluation:
    """Judging a chosen model: fit on train and validation, measure once on test."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            train, validation = _task(file, "train"), _task(file, "validation")
            self._test = _task(file, "test")
        self._fit = Task(
            "train+validation",
            np.concatenate([train.rows, validation.rows]),
            np.concatenate([train.labels, validation.labels]),
        )

    def outcome(self, algorithm: LearningAlgorithm) -> Outcome:
        """Fit an algorithm on all images but the test's, and let it label those."""
        algorithm.fit(self._fit)
        return Outcome(self._test.labels, algorithm.predict(self._test))


def unlabelled(path: Path, count: int) -> np.ndarray:
    """The first training images, for learning filters: at most count of them."""
    with h5py.File(path) as file:
        return file["images"][file["train"][:count]]


def _task(file: h5py.File, name: str) -> Task:
    rows = file[name][()]
    return Task(name, rows, file["labels"][()][rows])
