"""Confusion matrix of a winner as a table; with many classes, as an image and a list."""

from typing import NotRequired, TypedDict

import numpy as np

from hpconv.report import images

MAX_NUMBERED = 20  # classes; a larger table is not readable
N_CONFUSED = 12
COLOUR = (217, 119, 6)  # of mistakes in the picture: amber is visible on white and on black


class Cell(TypedDict):
    """Examples of one true class that were predicted to be of one class."""

    right: bool
    count: int
    share: float  # of the true class


class Row(TypedDict):
    """A true class."""

    name: str
    cells: list[Cell]  # by predicted class


class ConfusedPair(Cell):
    """A pair of classes, the first of which is predicted to be the second."""

    true: str
    predicted: str


class Table(TypedDict):
    """A confusion matrix: ``rows``, or ``confused`` and ``picture`` for many classes."""

    classes: list[str]
    rows: NotRequired[list[Row]]
    confused: NotRequired[list[ConfusedPair]]  # the most frequent mistakes
    picture: NotRequired[images.Picture]


def table(counts: list[list[int]], classes: list[str]) -> Table:
    """The confusion matrix for the page.

    Args:
        counts: by true class (row) and predicted class (column).
    """
    matrix = np.array(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    if len(classes) > MAX_NUMBERED:
        alt = "share of each true class (row) that is predicted to be of each class (column)"
        picture = images.shares(_mistakes(shares), COLOUR, alt)
        return {"classes": classes, "confused": _most(matrix, shares, classes), "picture": picture}
    rows: list[Row] = [
        {
            "name": name,
            "cells": [_cell(i == j, matrix[i, j], shares[i, j]) for j in range(len(classes))],
        }
        for i, name in enumerate(classes)
    ]
    return {"classes": classes, "rows": rows}


def _cell(right: bool, count: int, share: float) -> Cell:
    return {"right": right, "count": int(count), "share": float(share)}


def _most(matrix: np.ndarray, shares: np.ndarray, classes: list[str]) -> list[ConfusedPair]:
    mistakes = _mistakes(matrix)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:N_CONFUSED]
    places = [divmod(int(place), len(classes)) for place in order if mistakes.flat[place]]
    return [
        {
            "true": classes[i],
            "predicted": classes[j],
            **_cell(right=False, count=matrix[i, j], share=shares[i, j]),
        }
        for i, j in places
    ]


def _mistakes(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
