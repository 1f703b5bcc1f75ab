"""The images of a data file: counts, and a few images of each class and part."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from PIL import Image, ImageDraw

from hpconv.datasets.data_file import DataFile
from hpconv.report import images

N_SHOWN = 4  # images of a class in a part
MAX_CLASSES = 20  # that are shown
NAME_WIDTH, LINE = 120, 12  # pixels, in a PNG file


class Cell(TypedDict):
    """A class in a part."""

    examples: int
    picture: images.Picture | None


class ClassRow(TypedDict):
    """A class of a data file, with a cell for each part."""

    name: str
    cells: list[Cell]


class ContactSheet(TypedDict):
    """Images of a data file."""

    parts: list[str]
    rows: list[ClassRow]  # at most MAX_CLASSES
    classes: int


def parts(data: DataFile) -> dict[str, np.ndarray]:
    """The example numbers of each part; of test, those of the first fold."""
    splits = data.splits
    return {
        "training": splits.train,
        "validation": splits.validation,
        "test": splits.folds[0].test,
    }


def sheet(path: Path, bands: Sequence[int]) -> ContactSheet:
    """A contact sheet of a data file for the page.

    Args:
        bands: as ``images.strip``.
    """
    with DataFile(path) as data:
        found = parts(data)
        rows: list[ClassRow] = [
            {
                "name": name,
                "cells": [_cell(data, part, number, bands) for part in found.values()],
            }
            for number, name in enumerate(data.classes[:MAX_CLASSES])
        ]
        return {"parts": list(found), "rows": rows, "classes": len(data.classes)}


def write(data_path: Path, output: Path, bands: Sequence[int]) -> None:
    """Write a contact sheet of a data file as a PNG file.

    Args:
        bands: as ``images.strip``.
    """
    with DataFile(data_path) as data:
        strips = [
            [_strip(data, part, number, bands) for part in parts(data).values()]
            for number in range(len(data.classes[:MAX_CLASSES]))
        ]
        names = list(parts(data))
        classes = data.classes
    width = max(strip.width for row in strips for strip in row if strip) + 2 * images.GAP
    height = images.STRIP + images.GAP
    canvas = Image.new(
        "RGB", (NAME_WIDTH + width * len(names), LINE + height * len(strips)), "white"
    )
    draw = ImageDraw.Draw(canvas)
    for column, name in enumerate(names):
        draw.text((NAME_WIDTH + column * width, 0), name, "black")
    for number, row in enumerate(strips):
        top = LINE + number * height
        draw.text((0, top), classes[number][: NAME_WIDTH // 6], "black")
        for column, strip in enumerate(row):
            if strip is not None:
                canvas.paste(strip, (NAME_WIDTH + column * width, top))
    canvas.save(output, "png")


def _cell(data: DataFile, part: np.ndarray, number: int, bands: Sequence[int]) -> Cell:
    strip = _strip(data, part, number, bands)
    alt = f"some images of class {data.classes[number]}"
    return {
        "examples": int((data.labels[part] == number).sum()),
        "picture": images.jpeg(strip, alt) if strip else None,
    }


def _strip(
    data: DataFile, part: np.ndarray, number: int, bands: Sequence[int]
) -> Image.Image | None:
    """Examples of a class in a part, evenly spread; None if there are none."""
    examples = part[data.labels[part] == number]
    if not len(examples):
        return None
    n_shown = N_SHOWN // 2 if data.has_pairs else N_SHOWN
    chosen = np.unique(np.linspace(0, len(examples) - 1, n_shown).astype(int))
    rows = data.image_rows(examples[chosen]).ravel()
    return images.strip([data.images[row] for row in rows], bands)
