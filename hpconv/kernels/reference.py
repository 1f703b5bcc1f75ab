"""Reference window sums and correlation in numpy, for any dtype.

Arrays are channel-major ``(N, C, H, W)`` and every operation is 'valid': nothing is padded, and
a window larger than the map raises ``ValueError``.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

IM2COL_BYTES = 32_000_000  # of a batch of unrolled windows: large enough for BLAS, small in memory


def _fits(shape: tuple[int, ...], size: int) -> None:
    if min(shape[2:]) < size:
        raise ValueError(f"a {size}x{size} window does not fit a {shape[2]}x{shape[3]} map")


def window_sum(x: np.ndarray, size: int) -> np.ndarray:
    """Sum over every ``size`` x ``size`` window: ``(N, C, H-size+1, W-size+1)``.

    The sum is separable. Shifted slices are added: differences of a running sum would lose digits
    in a map of large and small values.
    """
    _fits(x.shape, size)
    rows = _sum_shifted(x, size, axis=2)
    return _sum_shifted(rows, size, axis=3)


def _sum_shifted(x: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Sum of ``size`` copies of x, each shifted by one along an axis, where all overlap."""
    length = x.shape[axis] - size + 1
    index: list[slice] = [slice(None)] * x.ndim
    index[axis] = slice(0, length)
    total = x[tuple(index)].copy()
    for shift in range(1, size):
        index[axis] = slice(shift, shift + length)
        total += x[tuple(index)]
    return total


def correlate(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Correlate ``(N, C, H, W)`` with ``(K, C, s, s)``: ``(N, K, H-s+1, W-s+1)``.

    Windows are unrolled to a matrix, batch by batch, and multiplied by BLAS.
    """
    count, channels, height, width = x.shape
    n_filters, _, size, _ = filters.shape
    _fits(x.shape, size)
    rows, cols = height - size + 1, width - size + 1
    out = np.empty((count, n_filters, rows, cols), x.dtype)
    weights = filters.reshape(n_filters, -1).astype(x.dtype)
    batch = max(1, IM2COL_BYTES // (rows * cols * channels * size * size * x.itemsize))
    for start in range(0, count, batch):
        windows = sliding_window_view(x[start : start + batch], (size, size), axis=(2, 3))
        unrolled = windows.transpose(0, 1, 4, 5, 2, 3).reshape(len(windows), -1, rows * cols)
        np.matmul(
            weights, unrolled, out=out[start : start + batch].reshape(-1, n_filters, rows * cols)
        )
    return out
