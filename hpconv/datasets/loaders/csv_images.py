"""A CSV file of image paths and labels, optionally with the part of each image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import csv_table, image_files, user_data
from hpconv.datasets.data_file import Splits
from hpconv.datasets.data_writer import Content, ImageWriter


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images in the order of the rows; paths are relative to the file's folder.

    Raises:
        UserError: when the file is invalid, or has too few images of a class.
    """
    path = user_data.required_path(
        settings, "a CSV file with the columns path and label", Path.is_file
    )
    rows = csv_table.read(path, ["path", "label"], "split")
    _check_once(rows)
    labels, classes = user_data.encode_labels([row.values["label"] for row in rows])
    parts = np.array(
        [row.value_among("split", user_data.PARTS) for row in rows if "split" in row.values]
    )
    _splits(path, parts, labels, classes)  # fail before images are decoded
    files = [path.parent / row.values["path"] for row in rows]
    written, skipped = image_files.decode_files(files, settings, writer)
    labels, parts = labels[written], parts[written] if len(parts) else parts
    return Content(labels, classes, _splits(path, parts, labels, classes), skipped=skipped)


def _check_once(rows: Sequence[csv_table.Row]) -> None:
    """An image that is listed twice could be in both train and test."""
    lines: dict[Path, int] = {}
    for row in rows:
        first = lines.setdefault(Path(row.values["path"]), row.line)
        if first != row.line:
            raise row.error(f"lists {row.values['path']} again, it is in line {first} already")


def _splits(
    path: Path, parts: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> Splits | None:
    if not len(parts):
        user_data.check_class_sizes(path, labels, classes)
        return None
    user_data.require_two_classes(path, classes)
    return user_data.splits_of_parts(
        path, {name: np.flatnonzero(parts == name) for name in user_data.PARTS}
    )
