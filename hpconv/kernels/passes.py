"""Chains of steps, grouped into passes that keep an image in cache.

Maps are float32 ``(N, C, H, W)``, channels-last in memory, which the next pass reads fastest. A
pass is lnorm, a filterbank and a pooling, in this order, each of them optional. kernels.c runs it,
or ``numba_backend`` without a C compiler.
"""

from collections.abc import Sequence

import numpy as np

from hpconv.kernels import c_backend
from hpconv.kernels.build import library
from hpconv.kernels.steps import Gridpool, Pass, Pool, Step, passes


def run_steps(x: np.ndarray, steps: Sequence[Step]) -> np.ndarray:
    """Run a chain of steps, in any order, on images ``(N, C, H, W)``.

    Returns:
        float32 ``(N, C', H', W')``, or ``(N, features)`` if the last step is a gridpool.

    Raises:
        ValueError: if a window, filter or grid does not fit a map.
        MemoryError: if the working memory cannot be allocated.
    """
    x = np.asarray(x, dtype=np.float32)
    for each in passes(steps):
        x = _run(each, x)
    return x


def _run(each: Pass, x: np.ndarray) -> np.ndarray:
    channels, (height, width) = _map_shape(each, x.shape)
    windows = [
        edge.astype(np.int64) for length in (height, width) for edge in each.pool.windows(length)
    ]
    out, view = _output(each.pool, len(x), channels, len(windows[0]), len(windows[2]))
    if len(x):
        (c_backend.run if library() else _run_numba)(each, x, view, windows)
    return out


def _map_shape(each: Pass, shape: tuple[int, ...]) -> tuple[int, tuple[int, int]]:
    """Channels, rows and columns of the maps before pooling."""
    _, channels, height, width = shape
    if each.norm:
        height, width = _shrink(height, width, each.norm.ker_size)
    if each.bank:
        n_filters, bank_channels, size, _ = each.bank.weights.shape
        if bank_channels != channels:
            raise ValueError(f"filters of {bank_channels} channels on {channels} channels")
        height, width = _shrink(height, width, size)
        channels = n_filters
    if channels < 1:
        raise ValueError("a pass without filters or channels")
    return channels, (height, width)


def _shrink(height: int, width: int, size: int) -> tuple[int, int]:
    if not 1 <= size <= min(height, width):
        raise ValueError(f"a {size}x{size} window does not fit a {height}x{width} map")
    return height - size + 1, width - size + 1


def _output(
    pool: Pool, n: int, channels: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """An empty result, and its view as ``(N, parts, C, rows, columns)``."""
    if isinstance(pool, Gridpool):
        cells = np.empty((n, channels, height, width, pool.parts), np.float32)
        return cells.reshape(n, -1), cells.transpose(0, 4, 1, 2, 3)
    maps = np.empty((n, height, width, pool.parts, channels), np.float32)
    out = maps.reshape(n, height, width, pool.parts * channels).transpose(0, 3, 1, 2)
    return out, maps.transpose(0, 3, 4, 1, 2)


def _run_numba(each: Pass, x: np.ndarray, out: np.ndarray, windows: list[np.ndarray]) -> None:
    from hpconv.kernels import numba_backend  # a slow import

    numba_backend.run(each, x, out, windows)
