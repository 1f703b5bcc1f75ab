"""Image collections, written once to one HDF5 layout with fixed, stratified splits.

The file holds ``images`` (N, C, H, W) uint8, ``labels`` (N,), the row numbers ``train``,
``validation`` and ``test``, and the attributes ``name``, ``classes`` and ``checksum``.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hpconv.errors import UserError
from hpconv.files import replacing

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DataSettings:
    """The section ``data`` of a configuration."""

    name: str
    seed: int
    validation: float
    test: float


@dataclass(frozen=True)
class Images:
    """Pixels ``(N, C, H, W)`` uint8, labels ``(N,)`` counting from 0, and class names."""

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


def _digits() -> Images:
    bunch = load_digits()
    # 0..16 gray levels in the source
    pixels = np.rint(bunch.images * (255 / 16)).astype("uint8")
    return Images(pixels[:, None], bunch.target, tuple(map(str, bunch.target_names)))


LOADERS: dict[str, Callable[[], Images]] = {"digits": _digits}


def split(labels: np.ndarray, settings: DataSettings) -> dict[str, np.ndarray]:
    """Row numbers of each part, stratified by label, the same for the same seed."""
    rows = np.arange(len(labels))
    rest, test = train_test_split(
        rows, test_size=settings.test, stratify=labels, random_state=settings.seed
    )
    share = settings.validation / (1 - settings.test)
    train, validation = train_test_split(
        rest, test_size=share, stratify=labels[rest], random_state=settings.seed
    )
    return {
        name: np.sort(part) for name, part in zip(PARTS, (train, validation, test), strict=True)
    }


def checksum(*arrays: np.ndarray) -> str:
    """SHA-256 over dtype, shape and content of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write(settings: DataSettings, path: Path) -> None:
    """Load a collection, split it and write it to path, whole or not at all."""
    images = LOADERS[settings.name]()
    parts = split(images.labels, settings)
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        # one image a chunk row block: readers walk through images in order
        file.create_dataset("images", data=images.pixels, chunks=True, compression="gzip")
        file["labels"] = images.labels
        for name, rows in parts.items():
            file[name] = rows
        file.attrs["name"] = settings.name
        file.attrs["classes"] = images.classes
        file.attrs["checksum"] = checksum(images.pixels, images.labels, *parts.values())


def verify(path: Path) -> str:
    """The checksum of a data file, computed anew.

    Raises:
        UserError: when it differs from the one that was written.
    """
    with h5py.File(path) as file:
        found = checksum(*(file[name][()] for name in ("images", "labels", *PARTS)))
        if found != file.attrs["checksum"]:
            raise UserError(f"{path} was changed or damaged: delete it, it will be written again")
    return found
