"""Fitted linear classifiers in files: the part of a classifier that labels new images needs."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hpconv.datasets import arrays
from hpconv.files import replacing


@dataclass(frozen=True)
class Linear:
    """``scores = (x - mean) / scale @ weights + bias``; the label of the highest score wins.

    Attributes:
        mean, scale: ``(D,)`` float32.
        weights: ``(D, K)`` float32.
        bias: ``(K,)`` float32.
        labels: ``(K,)`` int64, the class numbers of the scores.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    labels: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Scores ``(n, K)`` of features ``(n, ...)``, which have D values for each image."""
        scaled = (features.reshape(len(features), -1) - self.mean) / self.scale
        product: np.ndarray = scaled @ self.weights + self.bias
        return product

    def times(self, factors: np.ndarray | float) -> "Linear":
        """The classifier with scores that are multiplied by factors ``(K,)`` or a number."""
        weights, bias = self.weights * factors, self.bias * factors
        return replace(self, weights=weights.astype("float32"), bias=bias.astype("float32"))


def write(path: Path, linear: Linear | None) -> None:
    """Write a classifier to an .npz file; an empty one if there is none."""
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **(vars(linear) if linear else {}))


def read(path: Path) -> Linear | None:
    """Read a file of ``write``; None if it is empty.

    Raises:
        UserError: when it is damaged.
    """
    found = arrays.read_arrays(path)
    return Linear(**found) if found else None
