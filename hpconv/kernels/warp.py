"""Bilinear affine resampling: one sparse matrix of pixel weights, shared by all images."""

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

Matrix = tuple[tuple[float, float, float], ...]

BLOCK = 32  # maps resampled at a time; they fit in cache


def warp(x: np.ndarray, matrix: Matrix, size: int) -> np.ndarray:
    """Resample each channel under an affine map, bilinearly: ``(N, C, size, size)``.

    Args:
        x: images ``(N, C, H, W)`` in [0, 1].
        matrix: 3x3, from input ``(column, row, 1)`` to output; it is inverted here.
        size: rows and columns of the result; pixels from outside the input are 0.
    """
    height, width = x.shape[2:]
    weights = interpolation_matrix(matrix, height, width, size).astype(x.dtype)
    maps = x.reshape(-1, height * width)
    out = np.empty((len(maps), size * size), x.dtype)
    for start in range(0, len(maps), BLOCK):
        out[start : start + BLOCK] = (weights @ maps[start : start + BLOCK].T).T
    return np.clip(out, 0, 1, out=out).reshape(*x.shape[:2], size, size)


def background_fraction(matrix: Matrix, image_size: int, size: int) -> float:
    """Fraction of the pixels of a warped image that lie outside the original."""
    places = np.array(_sources(matrix, size))
    return float(1 - np.mean(((places > -1) & (places < image_size)).all(axis=0)))


@lru_cache(maxsize=8)
def interpolation_matrix(matrix: Matrix, height: int, width: int, size: int) -> csr_array:
    """Bilinear weights ``(size*size, height*width)`` of the four input pixels of each output pixel.

    Pixels outside the image have weight 0.
    """
    column, row = _sources(matrix, size)
    pixels, weights = [], []
    for down, right in np.ndindex(2, 2):
        r, c = np.floor(row) + down, np.floor(column) + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        pixels.append(np.where(inside, r * width + c, 0))
        weights.append(np.where(inside, (1 - abs(row - r)) * (1 - abs(column - c)), 0))
    rows = np.arange(0, 4 * size * size + 1, 4)
    entries = (np.ravel(weights, "F"), np.ravel(pixels, "F").astype(np.intp), rows)
    return csr_array(entries, shape=(size * size, height * width))


def _sources(matrix: Matrix, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows ``(size*size,)`` of the input at the pixels of the output."""
    y, x = np.mgrid[:size, :size].reshape(2, -1)
    column, row, _ = np.linalg.inv(matrix) @ [x, y, np.ones(size * size)]
    return column, row
