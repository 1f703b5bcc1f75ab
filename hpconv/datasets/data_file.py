"""Reader of the data file, the one HDF5 layout of all data sets.

An example is an image or a pair of images. The file holds

- ``images`` (N, C, H, W) uint8;
- ``labels`` (M,), one integer from 0 for each example;
- ``pairs`` (M, 2), the image rows of each example, only where examples are pairs;
- ``train`` and ``validation``, the example numbers for model selection;
- ``folds/K/train`` and ``folds/K/test``, the example numbers for the final evaluation;
- ``classes``, the names of the labels;
- ``names`` (N,), files or rows of the user's own images;
- ``skipped``, ``copies`` and ``ignored``: files that cannot be read, images that are equal to
  others, and counts of other files;
- the attributes ``name`` and ``checksum``.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

import h5py
import numpy as np

from hpconv.datasets.blocks import checksum
from hpconv.datasets.decoding import Decoding
from hpconv.errors import UserError

REQUIRED = frozenset(
    ("images", "labels", "train", "validation", "folds", "classes", "skipped", "name", "checksum")
)
ADVICE = "delete it, the workflow will write it again"


class FoldSplit(NamedTuple):
    """Example numbers of a fold: ``train`` to fit a model, ``test`` to measure it."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Splits:
    """Example numbers of every part.

    Attributes:
        train: for fitting a candidate during model selection.
        validation: for the loss of a candidate.
        folds: for the final evaluation.
    """

    train: np.ndarray
    validation: np.ndarray
    folds: tuple[FoldSplit, ...]

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "Splits":
        """The same splits with a function applied to the example numbers of each part."""
        folds = tuple(FoldSplit(change(fold.train), change(fold.test)) for fold in self.folds)
        return Splits(change(self.train), change(self.validation), folds)

    def among(self, examples: np.ndarray) -> "Splits":
        """The same splits without the numbers of other examples."""
        return self.mapped(lambda part: part[np.isin(part, examples)])

    def named(self) -> dict[str, np.ndarray]:
        """The parts by their names in a data file."""
        parts = {"train": self.train, "validation": self.validation}
        for number, (train, test) in enumerate(self.folds):
            parts |= {f"folds/{number}/train": train, f"folds/{number}/test": test}
        return parts


class DataFile:
    """A data file that is open for reading; a context manager that closes it.

    Raises:
        UserError: when the file is missing, damaged, or not a data file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def name(self) -> str:
        """The data set, as in ``data.name`` of a configuration."""
        return str(self._file.attrs["name"])

    @property
    def checksum(self) -> str:
        """SHA-256 of images, labels, pairs and splits when the file was written."""
        return str(self._file.attrs["checksum"])

    @property
    def images(self) -> h5py.Dataset:
        """Images ``(N, C, H, W)`` uint8, read when they are sliced."""
        return self._file["images"]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def decoding(self) -> Decoding:
        """How the original images were read."""
        attributes = self.images.attrs
        if "value_range" not in attributes:
            return Decoding(pages=bool(attributes.get("pages")))
        low, high = attributes["value_range"].tolist()
        return Decoding((low, high), bool(attributes["pages"]))

    @cached_property
    def labels(self) -> np.ndarray:
        """Class numbers ``(M,)`` of the examples."""
        return self._file["labels"][()]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names, by class number."""
        return tuple(self._file["classes"].asstr()[()])

    def name_of(self, row: int) -> str | None:
        """The file of an image, or its row in the user's file; None if it is not known."""
        return self._file["names"].asstr()[row] if "names" in self._file else None

    @cached_property
    def pairs(self) -> np.ndarray | None:
        """Image rows ``(M, 2)`` of the examples; None where examples are images."""
        return self._file["pairs"][()] if "pairs" in self._file else None

    @property
    def has_pairs(self) -> bool:
        """Whether examples are pairs of images."""
        return "pairs" in self._file

    @cached_property
    def splits(self) -> Splits:
        """Example numbers of every part."""
        folds = (self._file[f"folds/{number}"] for number in range(len(self._file["folds"])))
        return Splits(
            self._file["train"][()],
            self._file["validation"][()],
            tuple(FoldSplit(fold["train"][()], fold["test"][()]) for fold in folds),
        )

    def left_out(self, kind: Literal["skipped", "copies", "ignored"]) -> tuple[str, ...]:
        """A line of text for each file, image or kind of file that was left out."""
        return tuple(self._file[kind].asstr()[()]) if kind in self._file else ()

    def image_rows(self, examples: np.ndarray | int) -> np.ndarray:
        """Rows of the images of examples, with a last axis of 2 where examples are pairs."""
        return np.asarray(examples) if self.pairs is None else self.pairs[examples]


def _open(path: Path) -> h5py.File:
    try:
        file = h5py.File(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run the workflow, which writes it") from None
    except BlockingIOError:  # HDF5 locks a file that is written
        raise UserError(
            f"{path} is open for writing in another process: close that, then try again"
        ) from None
    except OSError as error:
        if error.errno is not None:
            reason = os.strerror(error.errno)
            raise UserError(f"{path} cannot be read: {reason}") from error
        raise UserError(f"{path} is damaged or not an HDF5 file: {ADVICE}") from error
    if missing := sorted(REQUIRED - set(file) - set(file.attrs)):
        file.close()
        raise UserError(f"{path} is not a data file of hpconv, it has no '{missing[0]}': {ADVICE}")
    try:
        _check_layout(file)
    except (LookupError, AttributeError, OSError, RuntimeError, ValueError) as error:
        file.close()
        raise UserError(f"{path} is damaged, {error}: {ADVICE}") from error
    return file


def _check_layout(file: h5py.File) -> None:
    shapes = {"images": 4, "labels": 1, "classes": 1, "train": 1, "validation": 1}
    shapes |= {"folds/0/train": 1, "folds/0/test": 1}
    for name, ndim in shapes.items():
        if file[name].ndim != ndim:
            raise ValueError(f"'{name}' has {file[name].ndim} dimensions instead of {ndim}")


def verify(path: Path) -> str:
    """The checksum of a data file, computed from its content.

    Raises:
        UserError: when it differs from the one that was written.
    """
    with DataFile(path) as data:
        try:
            found = content_checksum(data._file)
        except (OSError, LookupError) as error:
            raise UserError(f"{path} is damaged, {error}: {ADVICE}") from error
        if found != data.checksum:
            raise UserError(f"{path} was changed or damaged: {ADVICE}")
    return found


def content_checksum(file: h5py.File) -> str:
    """The checksum of all that decides results in a data file, which may be open for writing."""
    folds = [file["folds"][str(number)] for number in range(len(file["folds"]))]
    examples = [fold[part] for fold in folds for part in ("train", "test")]
    pairs = [file["pairs"]] if "pairs" in file else []
    named = [file[name] for name in ("images", "labels", "train", "validation")]
    return checksum(*named, *pairs, *examples)
