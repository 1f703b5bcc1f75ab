"""A CSV file of image paths and labels, optionally with the part of each image."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import csv_table, image_files, user_data
from hpconv.datasets.data_file import Splits
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.errors import printable


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images in the order of the rows; paths are relative to the file's folder.

    Raises:
        UserError: when the file is invalid, or has too few images of a class.
    """
    path = user_data.required_path(
        settings, "a CSV file with the columns path and label", Path.is_file
    )
    rows = csv_table.read(path, ["path", "label"], ["split"])
    _check_once(rows)
    rows = user_data.fraction(
        settings, rows, [row.values.get("split", "") + row.values["label"] for row in rows]
    )
    labels, classes = user_data.encode_labels([row.values["label"] for row in rows])
    parts = np.array([_part(row) for row in rows])

    def splits(examples: np.ndarray | slice) -> Splits | None:
        by_name = user_data.parts_by_name(parts[examples])
        return user_data.splits_of_parts(path, labels[examples], classes, by_name)

    splits(slice(None))  # fail before images are decoded
    files = [path.parent / row.values["path"] for row in rows]
    written, skipped = image_files.decode_files(files, settings, writer)
    return Content(
        labels[written],
        classes,
        splits(written),
        skipped=skipped,
        names=[printable(files[number]) for number in written],
        is_fraction=True,
    )


def _part(row: csv_table.Row) -> str:
    return row.value_among("split", user_data.PARTS) if "split" in row.values else ""


def _check_once(rows: Sequence[csv_table.Row]) -> None:
    """An image that is listed twice could be in both train and test."""
    lines: dict[str, int] = {}
    for row in rows:
        name = row.values["path"]
        first = lines.setdefault(os.path.realpath(row.path.parent / name), row.line)
        if first != row.line:
            raise row.error(f"lists {name}, the same file as line {first}: delete one of them")
