"""Filterbanks without labels: random projections and whitened image patches (numpy)."""

import hashlib
from typing import NamedTuple

import numpy as np

from hpconv.model import patches
from hpconv.model.patches import contrast_normalize
from hpconv.model.whitening import Moments, Whitening

TINY = 1e-20  # keeps a filter of zeros from dividing by zero

PatchShape = tuple[int, int, int]  # (C, s, s)


class FilterBank(NamedTuple):
    """The mean to subtract from a patch, and the filters to correlate it with; both float32."""

    mean: np.ndarray  # broadcastable to (C, s, s)
    filters: np.ndarray  # (K, C, s, s)


def seed_of(label: str, choice: int) -> int:
    """The seed of a seed hyperparameter: one of 10 consecutive integers, fixed by its label."""
    return int(hashlib.sha224(label.encode()).hexdigest(), 16) % 2**31 + choice


def random_patches(images: np.ndarray, n: int, size: int, rng: np.random.RandomState) -> np.ndarray:
    """Cut n random patches ``(n, C, size, size)``; fewer if they would exceed 500 MB."""
    drawn = patches.draw(images.shape, n, size, rng, images.itemsize)
    cut = patches.cut(images, drawn, size).reshape(-1, size, size, images.shape[1])
    return cut.transpose(0, 3, 1, 2)


def whiten(
    images: np.ndarray, gamma: float, remove_mean: bool, beta: float, hard_beta: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whitening of patches ``(n, ...)`` that fit in memory, in float32.

    Returns:
        the mean ``(D,)`` of the contrast-normalised patches, the whitening matrix ``(D, D)``, and
        the normalised patches ``(n, D)``.
    """
    flat = images.reshape(len(images), -1).astype("float32")
    rows = contrast_normalize(flat, remove_mean, beta, hard_beta)
    moments = Moments(rows.shape[1])
    moments.add(rows.copy(), np.ones(len(rows)))
    matrix = Whitening(moments.covariance(), gamma).once(np.eye(rows.shape[1]))
    return moments.mean.astype("float32"), matrix.astype("float32"), rows


def uniform_projections(
    n_filters: int, size: int, channels: int, seed: int, normalize: bool
) -> FilterBank:
    """Uniform random filters ``(K, C, s, s)``, zero-mean and unit-norm if normalize."""
    filters = np.random.RandomState(seed).uniform(size=(n_filters, size, size, channels))
    if normalize:
        filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
        filters /= np.sqrt((filters**2).sum(axis=(1, 2, 3), keepdims=True))
    filters = np.ascontiguousarray(filters.transpose(0, 3, 1, 2), dtype="float32")
    return FilterBank(np.zeros((1, 1, 1), "float32"), filters)


def whitened_projections(
    mean: np.ndarray, whitening: Whitening, n_filters: int, seed: int, shape: PatchShape
) -> FilterBank:
    """Gaussian directions of unit norm, whitened.

    Args:
        mean: ``(D,)`` of the patches, channels last, as in ``patches``.
        shape: ``(C, s, s)`` of a patch.
    """
    drawn = np.random.RandomState(seed).randn(n_filters, len(mean)).reshape(-1, *shape)
    directions = drawn.transpose(0, 2, 3, 1).reshape(n_filters, -1)
    norms = np.sqrt((directions**2).sum(axis=1, keepdims=True))
    return _bank(mean, whitening.once(directions / (norms + TINY)), shape)


def drawn_rows(n_patches: int, n_filters: int, seed: int) -> np.ndarray:
    """Draw the indices ``(K,)`` of the patches that become filters."""
    return np.random.RandomState(seed).randint(n_patches, size=n_filters)


def whitened_patches(
    mean: np.ndarray, whitening: Whitening, rows: np.ndarray, shape: PatchShape
) -> FilterBank:
    """Whitened patches of unit norm, whitened a second time so that they act on plain patches.

    For a centred row x the filter is ``x P P / |x P|``, and ``|x P|^2 = (x P P) . x``.

    Args:
        mean: ``(D,)`` of the patches, channels last, as in ``patches``.
        rows: contrast-normalised patches ``(K, D)``.
        shape: ``(C, s, s)`` of a patch.
    """
    centred = rows - mean
    filters = whitening.squared(centred)
    norms = np.sqrt(np.einsum("kd,kd->k", filters, centred).clip(min=0))
    return _bank(mean, filters / (norms[:, None] + TINY), shape)


def _bank(mean: np.ndarray, filters: np.ndarray, shape: PatchShape) -> FilterBank:
    """A bank from a mean ``(D,)`` and filters ``(K, D)``, channels last."""
    channels, rows, columns = shape
    maps = np.vstack([mean, filters]).reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
    maps = np.ascontiguousarray(maps, dtype="float32")
    return FilterBank(maps[0], maps[1:])
