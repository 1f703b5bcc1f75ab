"""The one HDF5 layout of all data sets, written and read a block at a time.

An example is an image, or a pair of images. The file holds ``images`` (N, C, H, W) uint8;
``labels``, one for each example; for pairs also ``pairs`` (M, 2), the rows of their images; the
row numbers of examples ``train`` and ``validation`` for choosing a model, and ``folds/K/train``
and ``folds/K/test`` for judging it; ``classes``, their names; ``skipped``, the files that
were no images; and the attributes ``name`` and ``checksum``.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpconv.errors import UserError

BLOCK_BYTES = 2**24  # of images that are handled at a time


@dataclass(frozen=True)
class Splits:
    """Row numbers of examples: for choosing a model, and for judging it, fold by fold."""

    train: np.ndarray
    validation: np.ndarray
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]  # train and test rows of each

    def datasets(self) -> dict[str, np.ndarray]:
        """All of them by their names in a data file."""
        named = {"train": self.train, "validation": self.validation}
        for number, (train, test) in enumerate(self.folds):
            named |= {f"folds/{number}/train": train, f"folds/{number}/test": test}
        return named


@dataclass(frozen=True)
class Content:
    """What a loader tells of the images that it has handed over.

    Args:
        labels: of the examples, counting from 0; of pairs, 1 for the same and 0 for different.
        splits: the official ones, or None where they are to be drawn.
        pairs: rows ``(M, 2)`` of the images of each example, where examples are pairs.
        skipped: files that were no images, and why.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    splits: Splits | None = None
    pairs: np.ndarray | None = None
    skipped: tuple[str, ...] = ()


class ImageWriter:
    """Takes a data set's images in any number of blocks, so that memory never holds them all."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def append(self, block: np.ndarray) -> None:
        """Add images ``(n, C, H, W)`` uint8; all blocks have images of the same shape."""
        if "images" not in self._file:
            shape = block.shape[1:]
            self._file.create_dataset(
                "images", (0, *shape), "uint8", maxshape=(None, *shape),
                chunks=(chunk_rows(shape), *shape), compression="gzip", compression_opts=1,
            )  # fmt: skip
        images = self._file["images"]
        images.resize(len(images) + len(block), axis=0)
        images[len(images) - len(block) :] = block


def chunk_rows(shape: tuple[int, ...]) -> int:
    """Images in a chunk of about 256 KiB: read in order, yet a few of them cost little."""
    return max(1, 2**18 // int(np.prod(shape)))


def block_rows(shape: tuple[int, ...]) -> int:
    """Images ``(C, H, W)`` that make a block."""
    return max(1, BLOCK_BYTES // int(np.prod(shape)))


def write_content(file: h5py.File, name: str, content: Content, splits: Splits) -> None:
    """Complete a file that has its images."""
    file["labels"] = content.labels
    if content.pairs is not None:
        file["pairs"] = content.pairs
    for key, rows in splits.datasets().items():
        file[key] = rows
    file["classes"] = np.array(content.classes, h5py.string_dtype())
    file["skipped"] = np.array(content.skipped, h5py.string_dtype())
    file.attrs["name"] = name
    file.attrs["checksum"] = _checksum(file)


def verify(path: Path) -> str:
    """The checksum of a data file, computed anew.

    Raises:
        UserError: when it differs from the one that was written.
    """
    with h5py.File(path) as file:
        found = _checksum(file)
        if found != file.attrs["checksum"]:
            raise UserError(f"{path} was changed or damaged: delete it, it will be written again")
    return found


def checksum(*arrays: np.ndarray | h5py.Dataset) -> str:
    """SHA-256 over dtype, shape and content of arrays, which may be in a file."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        for block in _blocks(array):
            digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()


def _checksum(file: h5py.File) -> str:
    folds = [file["folds"][str(k)] for k in range(len(file["folds"]))]
    rows = [fold[name] for fold in folds for name in ("train", "test")]
    pairs = [file["pairs"]] if "pairs" in file else []
    named = [file[name] for name in ("images", "labels", "train", "validation")]
    return checksum(*named, *pairs, *rows)


def _blocks(array: np.ndarray | h5py.Dataset) -> Iterator[np.ndarray]:
    step = block_rows(array.shape[1:])
    for start in range(0, len(array), step):
        yield array[start : start + step]
