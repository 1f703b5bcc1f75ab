"""Protocols lead a learning algorithm through a data set and keep test images out of its reach.

The idea is skdata's (Bergstra, Pinto and Cox, 2013): an experiment passes a learning algorithm to
a protocol and receives an error rate. ``Selection`` reads no test image.
"""

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hpconv.datasets import splits
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.image_rows import ImageRows


@dataclass(frozen=True)
class Task:
    """Labelled examples.

    Attributes:
        name: of the part in the data file.
        rows: of the images in the data file: ``(n,)``, or ``(n, 2)`` where examples are pairs.
        labels: class numbers ``(n,)``.
    """

    name: str
    rows: np.ndarray
    labels: np.ndarray


class LearningAlgorithm(Protocol):
    """A classifier that a protocol fits and tests."""

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Learn from a task's examples; hyperparameters may be chosen on the validation task."""

    def predict(self, task: Task) -> np.ndarray:
        """Class numbers ``(n,)`` for the examples of a task."""


class Selection:
    """Model selection: fit on the training examples, measure on the validation examples.

    Attributes:
        train, validation: the tasks.
        pairs: whether examples are pairs of images.
        rows: of the data file that occur in either task, rising.
        images: of these rows, in the same order.
    """

    def __init__(self, path: Path) -> None:
        with DataFile(path) as data:
            self.train = _task(data, "train", data.splits.train)
            self.validation = _task(data, "validation", data.splits.validation)
            self.pairs = data.has_pairs
        self.rows = np.union1d(self.train.rows, self.validation.rows)
        self.images = ImageRows(path, self.rows)

    def unlabelled(self, count: int) -> np.ndarray:
        """The first training images, at most count, for learning filters."""
        return self.images[np.searchsorted(self.rows, _first(self.train.rows, count))]

    def redivided(self, seed: int) -> "Selection":
        """The same examples, divided again at random into training and validation examples."""
        rows = np.concatenate([self.train.rows, self.validation.rows])
        labels = np.concatenate([self.train.labels, self.validation.labels])
        n_validation = len(self.validation.labels)
        divided = splits.redivide(labels, rows if self.pairs else None, n_validation, seed)
        other = copy(self)
        other.train, other.validation = (
            Task(task.name, rows[examples], labels[examples])
            for task, examples in zip((self.train, self.validation), divided, strict=True)
        )
        return other

    def share(self, share: float) -> "Selection":
        """A share of the examples of both tasks, as ``splits.nested_share`` chooses them.

        Rows and images remain those of all examples.
        """
        other = copy(self)
        other.train, other.validation = (
            Task(task.name, task.rows[chosen], task.labels[chosen])
            for task in (self.train, self.validation)
            for chosen in [splits.nested_share(task.labels, share)]
        )
        return other

    @property
    def numbers(self) -> np.ndarray:
        """The positions in ``images`` of the images of both tasks, rising."""
        return np.searchsorted(self.rows, np.union1d(self.train.rows, self.validation.rows))

    def loss(self, algorithm: LearningAlgorithm) -> float:
        """Validation error rate of an algorithm, fitted on the training examples."""
        algorithm.fit(self.train, self.validation)
        return error_rate(algorithm.predict(self.validation), self.validation.labels)


@dataclass(frozen=True)
class Outcome:
    """True and predicted class numbers ``(n,)`` of a fold's test examples."""

    labels: np.ndarray
    predictions: np.ndarray
    n_classes: int

    @property
    def error(self) -> float:
        """The test error rate."""
        return error_rate(self.predictions, self.labels)


@dataclass(frozen=True)
class Fold:
    """One division of the examples into training and test examples.

    Attributes:
        number: from 0, as in the data file.
        n_classes: of the data set; a task may lack some of them.
    """

    number: int
    train: Task
    test: Task
    n_classes: int

    def fit_and_test(self, algorithm: LearningAlgorithm) -> Outcome:
        """Fit an algorithm on the training examples and test it once."""
        algorithm.fit(self.train)
        return Outcome(self.test.labels, algorithm.predict(self.test), self.n_classes)


class Evaluation:
    """The final evaluation of a selected model, fold by fold.

    Attributes:
        folds: each takes a new algorithm.
        pairs: whether examples are pairs of images.
        image_shape: ``(C, H, W)``.
    """

    def __init__(self, path: Path) -> None:
        with DataFile(path) as data:
            self.pairs = data.has_pairs
            self.image_shape = data.image_shape
            self.folds = [_fold(data, number) for number in range(len(data.splits.folds))]


def error_rate(predictions: np.ndarray, labels: np.ndarray) -> float:
    """The share of predictions that are wrong."""
    return float(np.mean(predictions != labels))


def unlabelled(path: Path, count: int) -> np.ndarray:
    """The first training images ``(n, C, H, W)``, at most count, for learning filters."""
    with DataFile(path) as data:
        train = data.image_rows(data.splits.train)
    return ImageRows(path, _first(train, count))[:]


def used_rows(path: Path) -> np.ndarray:
    """Rows of all images that occur in any task, rising."""
    with DataFile(path) as data:
        parts = data.splits.named().values()
        return np.unique(np.concatenate([data.image_rows(part).ravel() for part in parts]))


def _first(rows: np.ndarray, count: int) -> np.ndarray:
    """At most count distinct rows, rising: those that occur first."""
    _, first = np.unique(rows, return_index=True)
    return np.sort(rows.ravel()[np.sort(first)[:count]])


def _fold(data: DataFile, number: int) -> Fold:
    train, test = data.splits.folds[number]
    name = f"folds/{number}"
    return Fold(
        number,
        _task(data, f"{name}/train", train),
        _task(data, f"{name}/test", test),
        len(data.classes),
    )


def _task(data: DataFile, name: str, examples: np.ndarray) -> Task:
    return Task(name, data.image_rows(examples), data.labels[examples])
