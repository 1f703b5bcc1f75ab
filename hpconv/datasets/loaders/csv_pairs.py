"""A CSV file of pairs of images that show the same or not, and maybe their folds.

Without folds, images are drawn into parts such that no image is in two of them. Numbered folds
are taken as they are, as those of LFW, whose pairs for choosing a model show images that pairs
for judging it show too (Huang et al. 2007).
"""

from pathlib import Path

import numpy as np

from hpconv.datasets import csv_table, image_files, user_data
from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.datasets.settings import DataSettings

SAME = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
CLASSES = ("different", "same")
CHOICE = ("train", "validation")


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Hand over each image once; paths start from the file's folder.

    A pair is left out with any of its images.

    Raises:
        UserError: when the list is not as it should be, or has too few pairs.
    """
    path = user_data.required_path(
        settings, "a CSV file with the columns left, right and same", Path.is_file
    )
    rows = csv_table.read(path, ["left", "right", "same"], "fold")
    labels = np.array([_same(row) for row in rows])
    folds = np.array([_fold(row) for row in rows if "fold" in row.values])
    _splits(path, folds, labels)  # what is wrong is told before images are decoded
    sides = [str(path.parent / row.values[side]) for row in rows for side in ("left", "right")]
    files, pairs = np.unique(sides, return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    written, skipped = image_files.decode_files(list(map(Path, files)), settings, writer)
    whole = np.isin(pairs, written).all(axis=1)
    splits = _splits(path, folds[whole] if len(folds) else folds, labels[whole])
    pairs = np.searchsorted(written, pairs[whole])
    return Content(labels[whole], CLASSES, splits, pairs, skipped)


def _same(row: csv_table.Row) -> int:
    row.values["same"] = row.values["same"].lower()
    return SAME[row.value_among("same", list(SAME))]


def _fold(row: csv_table.Row) -> str:
    fold = row.values["fold"]
    if fold.isdecimal() and int(fold) > 0:
        return str(int(fold))
    if fold in CHOICE:
        return fold
    raise row.error(f"has fold '{fold}', it must be train, validation, or a number from 1")


def _splits(path: Path, folds: np.ndarray, labels: np.ndarray) -> Splits | None:
    if not len(folds):
        user_data.check_class_sizes(path, labels, CLASSES)
        return None
    numbers = sorted({int(fold) for fold in folds if fold not in CHOICE})
    if len(numbers) < 2 or numbers != list(range(1, len(numbers) + 1)):
        raise user_data.path_error(
            path,
            f"has the numbered folds {numbers}: besides train and validation, on which a model is "
            "chosen, fold must have all numbers from 1 to 2 or more, on which it is judged; or "
            "leave the column out",
        )
    names = [*CHOICE, *map(str, numbers)]
    parts = {name: np.flatnonzero(folds == name) for name in names}
    for name, rows in parts.items():
        if len(np.unique(labels[rows])) < 2:
            raise user_data.path_error(
                path,
                f"has not both pairs of the same and of different ones in fold '{name}': "
                f"all of {', '.join(names)} must have them",
            )
    tests = [parts[name] for name in names if name not in CHOICE]
    judged = np.concatenate(tests)
    divisions = tuple(FoldSplit(np.setdiff1d(judged, test), test) for test in tests)
    return Splits(parts["train"], parts["validation"], divisions)
