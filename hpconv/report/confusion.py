"""Which classes a winner takes for which, as a table or, of many classes, as a list."""

from typing import Any

import numpy as np

from hpconv.report import images

MAX_NUMBERED = 20  # classes; a larger table is not readable
N_CONFUSED = 12
INK = (217, 119, 6)  # of mistakes in the picture: amber, seen on white and on black


def table(counts: list[list[int]], classes: list[str]) -> dict[str, Any]:
    """Counts by true class (row) and predicted class (column), as a page shows them.

    Returns:
        ``classes``; ``rows``, by true class with a ``name`` and ``cells`` of ``count``, ``share``
        of the row and whether it is ``right``; of more than MAX_NUMBERED classes no rows, but
        ``confused``, the most frequent mistakes, and a ``picture``.
    """
    matrix = np.array(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    if len(classes) > MAX_NUMBERED:
        alt = "shares of each true class, a row, taken for each class, a column"
        picture = images.shares(_mistakes(shares), INK, alt)
        return {"classes": classes, "confused": _most(matrix, shares, classes), "picture": picture}
    rows = [
        {
            "name": name,
            "cells": [_cell(i == j, matrix[i, j], shares[i, j]) for j in range(len(classes))],
        }
        for i, name in enumerate(classes)
    ]
    return {"classes": classes, "rows": rows}


def _cell(right: bool, count: int, share: float) -> dict[str, Any]:
    return {"right": right, "count": int(count), "share": float(share)}


def _most(matrix: np.ndarray, shares: np.ndarray, classes: list[str]) -> list[dict[str, Any]]:
    mistakes = _mistakes(matrix)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:N_CONFUSED]
    places = [divmod(int(place), len(classes)) for place in order if mistakes.flat[place]]
    return [
        {"true": classes[i], "predicted": classes[j]} | _cell(False, matrix[i, j], shares[i, j])
        for i, j in places
    ]


def _mistakes(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
