"""Filterbanks without labels: random projections and whitened image patches (numpy).

Filters are ``(K, C, s, s)`` float32; whitening runs in float64 as the published system's.
"""

import hashlib
from typing import NamedTuple

import numpy as np

PATCH_BYTES = 500_000_000
TINY = 1e-20  # keeps a filter of zeros from dividing by zero


class FilterBank(NamedTuple):
    """What a patch is compared with, ``filters``, after ``mean`` was taken from it."""

    mean: np.ndarray  # broadcastable to (C, s, s)
    filters: np.ndarray  # (K, C, s, s)


class Whitening(NamedTuple):
    """Statistics of contrast-normalised patches with D = C*s*s values each."""

    mean: np.ndarray  # (D,)
    matrix: np.ndarray  # (D, D), symmetric
    patches: np.ndarray  # (n, D), contrast-normalised


def seed_of(label: str, choice: int) -> int:
    """The seed that a seed hyperparameter stands for: one of 10 in a row, fixed by its label."""
    return int(hashlib.sha224(label.encode()).hexdigest(), 16) % 2**31 + choice


def random_patches(images: np.ndarray, n: int, size: int, rng: np.random.RandomState) -> np.ndarray:
    """Cut n patches ``(n, C, size, size)`` at random; fewer when they would pass 500 MB."""
    n_images, channels, height, width = images.shape
    n = min(n, PATCH_BYTES // (images.itemsize * channels * size * size))
    source = rng.randint(n_images, size=n)
    row = rng.randint(height - size + 1, size=n)
    column = rng.randint(width - size + 1, size=n)
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(2, 3))
    return windows[source, :, row, column]


def contrast_normalize(
    patches: np.ndarray, remove_mean: bool, beta: float, hard_beta: bool
) -> np.ndarray:
    """Rows ``(p - mean(p)) / sqrt(q)``, q as in ``operators.fbncc``."""
    centred = patches - patches.mean(axis=1, keepdims=True) if remove_mean else patches
    ssq = (centred**2).sum(axis=1, keepdims=True)
    return centred / np.sqrt(np.maximum(ssq, beta) if hard_beta else ssq + beta)


def whiten(
    patches: np.ndarray, gamma: float, remove_mean: bool, beta: float, hard_beta: bool
) -> Whitening:
    """ZCA whitening with a low pass: ``P = V diag(1/sqrt(D + gamma)) V'`` (Coates et al. 2011)."""
    flat = patches.reshape(len(patches), -1).astype("float64")
    normed = contrast_normalize(flat, remove_mean, beta, hard_beta)
    mean = normed.mean(axis=0)
    centred = normed - mean
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred / (len(normed) - 1))
    matrix = vectors / np.sqrt(eigenvalues + gamma) @ vectors.T
    return Whitening(*(a.astype("float32") for a in (mean, matrix, normed)))


def uniform_projections(
    n_filters: int, size: int, channels: int, seed: int, normalize: bool
) -> FilterBank:
    """Uniform random filters, zero-mean and unit-norm if normalize."""
    filters = np.random.RandomState(seed).uniform(size=(n_filters, size, size, channels))
    if normalize:
        filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
        filters /= np.sqrt((filters**2).sum(axis=(1, 2, 3), keepdims=True))
    filters = np.ascontiguousarray(filters.transpose(0, 3, 1, 2), dtype="float32")
    return FilterBank(np.zeros((1, 1, 1), "float32"), filters)


def whitened_projections(
    whitening: Whitening, n_filters: int, seed: int, shape: tuple[int, int, int]
) -> FilterBank:
    """Gaussian directions of unit norm, seen through the whitening."""
    directions = np.random.RandomState(seed).randn(n_filters, len(whitening.mean))
    return _whitened(whitening, directions, shape)


def whitened_patches(
    whitening: Whitening, n_filters: int, seed: int, shape: tuple[int, int, int]
) -> FilterBank:
    """Whitened image patches of unit norm, whitened once more to act on plain patches."""
    rows = np.random.RandomState(seed).randint(len(whitening.patches), size=n_filters)
    centred = (whitening.patches[rows] - whitening.mean).astype("float64")
    return _whitened(whitening, centred @ whitening.matrix, shape)


def _whitened(
    whitening: Whitening, directions: np.ndarray, shape: tuple[int, int, int]
) -> FilterBank:
    norms = np.sqrt((directions**2).sum(axis=1, keepdims=True))
    filters = (directions / (norms + TINY)) @ whitening.matrix
    return FilterBank(
        whitening.mean.reshape(shape),
        filters.reshape(-1, *shape).astype("float32"),
    )
