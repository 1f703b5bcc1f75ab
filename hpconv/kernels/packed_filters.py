"""Filterbanks in the memory layouts of the kernels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpconv.kernels.build import library

FILTERS = 64  # a block of filters in the Numba kernels
CACHE_LINE = 16  # floats


class _Bank:
    """Filters ``(K, C, s, s)``, packed for the kernels when first needed."""

    filters: np.ndarray
    mean: np.ndarray | float

    @cached_property
    def weights(self) -> np.ndarray:
        return np.ascontiguousarray(self.filters, dtype=np.float32)

    @cached_property
    def packed(self) -> np.ndarray:
        """For C: filters in whole vectors, in the order in which the tiles read them."""
        lib, (k, c, size, _) = library(), self.weights.shape
        assert lib is not None, "only the C backend packs filters"
        packed = _aligned(-(-k // lib.lanes()) * lib.lanes() * c * size * size)
        lib.pack(self.weights.ctypes, k, c, size, packed.ctypes)
        return packed

    @cached_property
    def blocks(self) -> np.ndarray:
        """For Numba: ``(K / FILTERS, s, s * C, FILTERS)``, padded with zeros."""
        k, c, size, _ = self.weights.shape
        padded = np.zeros((-(-k // FILTERS) * FILTERS, size, size * c), np.float32)
        padded[:k] = self.weights.transpose(0, 2, 3, 1).reshape(k, size, size * c)
        blocks = padded.reshape(-1, FILTERS, size, size * c).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(blocks)

    @cached_property
    def sums(self) -> np.ndarray:
        """Sum of each filter and its product with the mean: ``(2, K)``, K padded to vectors."""
        filters = self.weights.astype(np.float64)
        sums = _aligned(2 * _round_up(len(filters))).reshape(2, -1)
        sums[0, : len(filters)] = filters.sum(axis=(1, 2, 3))
        sums[1, : len(filters)] = (filters * self.mean).sum(axis=(1, 2, 3))
        return sums


@dataclass(frozen=True, eq=False)
class Fbcorr(_Bank):
    """Plain correlation."""

    filters: np.ndarray

    mean = 0.0


@dataclass(frozen=True, eq=False)
class Fbncc(_Bank):
    """Correlation of contrast-normalised patches minus mean, broadcastable to ``(C, s, s)``."""

    mean: np.ndarray | float
    filters: np.ndarray
    remove_mean: bool
    beta: float
    hard_beta: bool


Bank = Fbcorr | Fbncc


def _round_up(n: int) -> int:
    return -(-n // CACHE_LINE) * CACHE_LINE


def _aligned(n: int) -> np.ndarray:
    """n zeros, aligned to a cache line."""
    raw = np.zeros(n + CACHE_LINE, np.float32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + n]
