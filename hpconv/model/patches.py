"""Random image patches: positions are drawn first, patches are cut later.

As a vector, a patch has D = s*s*C values in the order (row, column, channel).
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PATCH_BYTES = 500_000_000  # of float32 patches at most, as in the published system


class Positions(NamedTuple):
    """Positions of patches: image index, first row and first column, each ``(n,)`` integers."""

    image: np.ndarray
    row: np.ndarray
    column: np.ndarray

    def take(self, chosen: slice | np.ndarray) -> "Positions":
        """Some of the positions."""
        return Positions(*(axis[chosen] for axis in self))


class DistinctPositions(NamedTuple):
    """Drawn positions without repetitions, sorted by image."""

    positions: Positions  # m of them
    counts: np.ndarray  # (m,): how often each was drawn
    numbers: np.ndarray  # (n,): which of them each draw is


def draw(
    shape: tuple[int, ...], n: int, size: int, rng: np.random.RandomState, itemsize: int = 4
) -> Positions:
    """Draw n positions in maps ``(N, C, H, W)``; fewer if the patches would exceed 500 MB."""
    n_images, channels, height, width = shape
    n = min(n, PATCH_BYTES // (itemsize * channels * size * size))
    image = rng.randint(n_images, size=n)
    row = rng.randint(height - size + 1, size=n)
    return Positions(image, row, rng.randint(width - size + 1, size=n))


def distinct(drawn: Positions) -> DistinctPositions:
    """Remove repetitions: small maps have far fewer positions than are drawn."""
    grid = tuple(axis.max() + 1 for axis in drawn)
    numbers, inverse, counts = np.unique(
        np.ravel_multi_index(drawn, grid), return_inverse=True, return_counts=True
    )
    return DistinctPositions(Positions(*np.unravel_index(numbers, grid)), counts, inverse)


def cut(maps: np.ndarray, positions: Positions, size: int) -> np.ndarray:
    """Patches ``(n, D)`` of maps ``(N, C, H, W)``, channels last: a new array."""
    windows = sliding_window_view(maps.transpose(0, 2, 3, 1), (size, size), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3)[positions]
    return patches.reshape(len(patches), -1)


def contrast_normalize(
    patches: np.ndarray, remove_mean: bool, beta: float, hard_beta: bool
) -> np.ndarray:
    """Rows ``(p - mean(p)) / sqrt(q)`` of patches ``(n, D)``, q as in ``operators.fbncc``."""
    if remove_mean:
        means = patches.mean(axis=1, keepdims=True, dtype="float64")
        patches = patches - means.astype(patches.dtype)
    ssq = np.einsum("nd,nd->n", patches, patches, dtype="float64")[:, None]
    q = np.maximum(ssq, beta) if hard_beta else ssq + beta
    return patches * (1 / np.sqrt(q)).astype(patches.dtype)
