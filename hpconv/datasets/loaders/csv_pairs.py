"""A CSV file of image pairs with labels same or different, optionally with their folds.

Without folds, pairs are split at random such that no image occurs in two parts. With folds, an
image may occur in several of them, as in LFW, whose views for model selection and for the final
evaluation share images (Huang et al. 2007).
"""

import os
from pathlib import Path

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import copies, csv_table, image_files, user_data
from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.errors import printable

SAME = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
SIDES = ("left", "right")
CLASSES = ("different", "same")
SELECTION = ("train", "validation")


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write each file once; paths are relative to the file's folder.

    A pair with a skipped image is left out. Files with equal images count as one image.

    Raises:
        UserError: when the file is invalid, or has too few pairs.
    """
    path = user_data.required_path(
        settings, "a CSV file with the columns left, right and same", Path.is_file
    )
    rows = csv_table.read(path, ["left", "right", "same"], ["fold"])
    rows = user_data.fraction(
        settings, rows, [row.values.get("fold", "") + row.values["same"] for row in rows]
    )
    labels = np.array([_same(row) for row in rows])
    folds = np.array([_fold(row) for row in rows if "fold" in row.values])
    _splits(path, folds, labels)  # fail before images are decoded
    files, pairs = np.unique(
        [os.path.realpath(path.parent / row.values[side]) for row in rows for side in SIDES],
        return_inverse=True,
    )
    pairs = pairs.reshape(-1, 2)
    written, skipped = image_files.decode_files(list(map(Path, files)), settings, writer)
    whole = np.isin(pairs, written).all(axis=1)
    splits = _splits(path, folds[whole] if len(folds) else folds, labels[whole])
    pairs = copies.firsts(writer.digests)[np.searchsorted(written, pairs[whole])]
    names = [printable(files[number]) for number in written]
    return Content(labels[whole], CLASSES, splits, pairs, skipped, names=names, is_fraction=True)


def _same(row: csv_table.Row) -> int:
    row.values["same"] = row.values["same"].lower()
    return SAME[row.value_among("same", list(SAME))]


def _fold(row: csv_table.Row) -> str:
    fold = row.values["fold"]
    if fold.isdecimal() and int(fold) > 0:
        return str(int(fold))
    if fold in SELECTION:
        return fold
    raise row.error(f"has fold '{fold}', it must be train, validation, or a number from 1")


def _splits(path: Path, folds: np.ndarray, labels: np.ndarray) -> Splits | None:
    if not len(folds):
        user_data.check_class_sizes(path, labels, CLASSES)
        return None
    numbers = sorted({int(fold) for fold in folds if fold not in SELECTION})
    if len(numbers) < 2 or numbers != list(range(1, len(numbers) + 1)):
        raise user_data.path_error(
            path,
            f"has the numbered folds {numbers}: next to train and validation, column fold must "
            "have the numbers 1, 2 and so on, of the folds of the final evaluation; or remove the "
            "column",
        )
    names = [*SELECTION, *map(str, numbers)]
    parts = {name: np.flatnonzero(folds == name) for name in names}
    for name, rows in parts.items():
        if len(np.unique(labels[rows])) < 2:
            raise user_data.path_error(
                path,
                f"lacks pairs that are the same or pairs that are different in fold '{name}': "
                f"each of {', '.join(names)} must have both",
            )
    tests = [parts[name] for name in names if name not in SELECTION]
    tested = np.concatenate(tests)
    divisions = tuple(FoldSplit(np.setdiff1d(tested, test), test) for test in tests)
    return Splits(parts["train"], parts["validation"], divisions)
