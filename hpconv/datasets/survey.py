"""Looks at the user's images before there is a configuration."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import h5py
import numpy as np

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.datasets import csv_table, image_reader, new_images
from hpconv.datasets.arrays import MIN_SIZE
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.loaders import hdf5
from hpconv.datasets.user_data import KEY
from hpconv.errors import UserError

LARGEST = 64  # pixels; the published space resizes images to at most this size
LOW = 5  # percentile of the shorter sides; few smaller pictures are enlarged


@dataclass(frozen=True)
class Survey:
    """What the images of a data set are.

    Attributes:
        settings: section ``data`` for them.
        shorter_sides: smallest, median and largest, in pixels.
        squares: whether all images are squares of one size.
        modes: number of images by colours and bits.
        parts: for train, validation and test the number of examples of each class ``(K,)``.
        classes: names, by class number.
        skipped, copies, ignored: what is left out, see ``DataFile.left_out``.
    """

    settings: DataSettings
    shorter_sides: tuple[int, int, int]
    squares: bool
    modes: dict[str, int]
    parts: dict[str, np.ndarray]
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    copies: tuple[str, ...]
    ignored: tuple[str, ...]


def look_at(path: Path) -> Survey:
    """Look at all images of a folder, a CSV file of images or pairs, or an HDF5 file.

    Raises:
        UserError: when a search could not use them, with the reason.
    """
    try:
        name = _kind(path)
        sizes, modes = _sizes(name, path)
        sides = np.minimum(*sizes)
        squares = len({*zip(*sizes.tolist(), strict=True)}) == 1 and sizes[0, 0] == sizes[1, 0]
        size = None if squares and MIN_SIZE <= sides[0] <= LARGEST else _size(sides)
        with TemporaryDirectory(prefix="hpconv-") as folder:
            tolerant = DataSettings(name, path=path, size=size, corrupt="skip")
            datasets.write(tolerant, Path(folder, "data.h5"))
            with DataFile(Path(folder, "data.h5")) as data:
                return _survey(tolerant, data, (sides, squares, modes))
    except UserError as refusal:
        raise UserError(str(refusal).removeprefix(KEY)) from None


def _survey(
    settings: DataSettings, data: DataFile, found: tuple[np.ndarray, bool, Counter[str]]
) -> Survey:
    sides, squares, modes = found
    skipped = data.left_out("skipped")
    if not skipped:
        settings = DataSettings(settings.name, path=settings.path, size=settings.size)
    fold = data.splits.folds[0]
    examples = {"train": data.splits.train, "validation": data.splits.validation, "test": fold.test}
    return Survey(
        settings,
        (int(sides.min()), int(np.median(sides)), int(sides.max())),
        squares,
        dict(modes.most_common()),
        {
            part: np.bincount(data.labels[numbers], minlength=len(data.classes))
            for part, numbers in examples.items()
        },
        data.classes,
        skipped,
        data.left_out("copies"),
        data.left_out("ignored"),
    )


def _kind(path: Path) -> Literal["folder", "csv", "pairs", "hdf5"]:
    if path.is_dir():
        return "folder"
    if h5py.is_hdf5(path):
        return "hdf5"
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    return "pairs" if "left" in header and "right" in header else "csv"


def _sizes(name: str, path: Path) -> tuple[np.ndarray, Counter[str]]:
    """Widths and heights ``(2, n)`` of images, and their number by colours and bits."""
    if name == "hdf5":
        with hdf5.opened(path) as file:
            images = file.get("images")
            if not isinstance(images, h5py.Dataset):
                raise UserError(f"{path} has no data set 'images'")
            height, width, channels = hdf5.image_shape(path, images, "auto")
            mode = f"{images.dtype} {'gray' if channels == 1 else 'colour'}"
            return np.array([[width], [height]]), Counter({mode: len(images)})
    headers = image_reader.headers(_files(name, path))
    if not headers:
        raise UserError(f"{path} has no readable images")
    sizes = np.array([(header.width, header.height) for header in headers]).T
    return sizes, Counter(header.mode for header in headers)


def _files(name: str, path: Path) -> list[Path]:
    if name != "pairs":
        return [*new_images.find(path).files]
    rows = csv_table.read(path, ["left", "right", "same"], ["fold"])
    names = {row.values[side] for row in rows for side in ("left", "right")}
    return [path.parent / each for each in sorted(names)]


def _size(sides: np.ndarray) -> int:
    """Side of the squares: that of small pictures, up to the largest size of the space."""
    return int(np.clip(np.percentile(sides, LOW), MIN_SIZE, LARGEST))
