"""Runs a pass in Numba, on machines without a C compiler; maps are channels-last.

It uses no BLAS: idle threads of a BLAS spin and starve Numba's threads.
"""

import numba
import numpy as np
from numba import njit, prange

from hpconv.kernels.build import threads
from hpconv.kernels.packed_filters import FILTERS, Bank, Fbncc
from hpconv.kernels.steps import Pass

PIXELS, STEPS = 96, 128  # a block of pixels, and a panel of filters for L1


def run(each: Pass, x: np.ndarray, out: np.ndarray, windows: list[np.ndarray]) -> None:
    """Run a pass; arguments as for ``c_backend.run``."""
    numba.set_num_threads(min(threads(), numba.config.NUMBA_NUM_THREADS))
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if each.norm:
        norm = each.norm
        x = _lnorm(x, norm.ker_size, bool(norm.remove_mean), float(norm.threshold))
    if each.bank:
        x = _correlate(each.bank, x)
    _pool(x, out, *windows, float(each.pool.alpha), float(each.pool.order))


def _correlate(bank: Bank, x: np.ndarray) -> np.ndarray:
    out = _filter(x, bank.blocks, len(bank.weights))
    if isinstance(bank, Fbncc):
        size, beta = bank.weights.shape[2], float(bank.beta)
        _contrast(x, out, size, bool(bank.remove_mean), beta, bool(bank.hard_beta), bank.sums)
    return out


@njit(cache=True, parallel=True)
def _filter(x: np.ndarray, blocks: np.ndarray, n_filters: int) -> np.ndarray:
    n, h, w, c = x.shape
    n_blocks, size, run, _ = blocks.shape
    map_h, map_w = h - size + 1, w - size + 1
    pixels, steps = n * map_h * map_w, size * run
    x, blocks = x.reshape(n, h, w * c), blocks.reshape(n_blocks, steps, FILTERS)
    out = np.empty((pixels, n_filters), np.float32)
    for block in prange((pixels + PIXELS - 1) // PIXELS):
        start = block * PIXELS
        stop = min(pixels, start + PIXELS)
        columns = np.zeros((PIXELS, size, run), np.float32)
        for p in range(start, stop):
            image, y, j = p // (map_w * map_h), p // map_w % map_h, p % map_w * c
            columns[p - start] = x[image, y : y + size, j : j + run]
        flat = columns.reshape(PIXELS, steps)
        total = np.empty((PIXELS, FILTERS), np.float32)
        for k in range(n_blocks):
            total[:] = 0
            for i in range(0, steps, STEPS):
                _accumulate(flat, blocks[k], i, min(i + STEPS, steps), total)
            for p in range(start, stop):
                for j in range(min(FILTERS, n_filters - k * FILTERS)):
                    out[p, k * FILTERS + j] = total[p - start, j]
    return out.reshape(n, map_h, map_w, n_filters)


@njit(cache=True, fastmath={"contract"})
def _accumulate(
    columns: np.ndarray, filters: np.ndarray, start: int, stop: int, total: np.ndarray
) -> None:
    """total += columns . filters[start:stop], for two pixels and four inputs at a time."""
    whole = start + (stop - start) // 4 * 4
    for p in range(0, len(total), 2):
        for i in range(start, whole, 4):
            a0, a1 = columns[p, i], columns[p, i + 1]
            a2, a3 = columns[p, i + 2], columns[p, i + 3]
            b0, b1 = columns[p + 1, i], columns[p + 1, i + 1]
            b2, b3 = columns[p + 1, i + 2], columns[p + 1, i + 3]
            for k in range(FILTERS):
                f0, f1 = filters[i, k], filters[i + 1, k]
                f2, f3 = filters[i + 2, k], filters[i + 3, k]
                total[p, k] += a0 * f0 + a1 * f1 + a2 * f2 + a3 * f3
                total[p + 1, k] += b0 * f0 + b1 * f1 + b2 * f2 + b3 * f3
        for i in range(whole, stop):
            for k in range(FILTERS):
                total[p, k] += columns[p, i] * filters[i, k]
                total[p + 1, k] += columns[p + 1, i] * filters[i, k]


@njit(cache=True)
def _window_stats(x: np.ndarray, k: int) -> np.ndarray:
    """S_k(x) and S_k(x^2) of one channels-last map, in float64 as the variance cancels."""
    h, w, c = x.shape
    stats = np.zeros((2, h, w))
    for y in range(h):
        for j in range(w):
            for i in range(c):
                v = np.float64(x[y, j, i])
                stats[0, y, j] += v
                stats[1, y, j] += v * v
    if k == 1:
        return stats
    rows = np.zeros((2, h - k + 1, w))
    for i in range(k):
        rows += stats[:, i : i + h - k + 1]
    out = np.zeros((2, h - k + 1, w - k + 1))
    for i in range(k):
        out += rows[:, :, i : i + w - k + 1]
    return out


@njit(cache=True, parallel=True)
def _lnorm(x: np.ndarray, k: int, remove_mean: bool, threshold: float) -> np.ndarray:
    n, h, w, c = x.shape
    crop = k // 2 - (k + 1) % 2 if k > 1 else 0
    out = np.empty((n, h - k + 1, w - k + 1, c), np.float32)
    for image in prange(n):
        stats = _window_stats(x[image], k)
        for y in range(out.shape[1]):
            for j in range(out.shape[2]):
                mean = stats[0, y, j] / (c * k * k) if remove_mean else 0.0
                v = stats[1, y, j] - stats[0, y, j] * mean
                d = 1e-4 + np.sqrt(0.0 if v < 0 else v)
                factor = 1.0 / (1.0 if d < threshold + 1e-4 else d)
                for i in range(c):
                    out[image, y, j, i] = (x[image, y + crop, j + crop, i] - mean) * factor
    return out


@njit(cache=True, parallel=True)
def _contrast(
    x: np.ndarray,
    out: np.ndarray,
    size: int,
    remove_mean: bool,
    beta: float,
    hard_beta: bool,
    sums: np.ndarray,
) -> None:
    """Turn F*x into fbncc, in place."""
    count = x.shape[3] * size * size
    for image in prange(len(x)):
        stats = _window_stats(x[image], size)
        for y in range(out.shape[1]):
            for j in range(out.shape[2]):
                mean = stats[0, y, j] / count if remove_mean else 0.0
                q = stats[1, y, j] - stats[0, y, j] * mean
                q = 0.0 if q < 0 else q
                q = (beta if q < beta else q) if hard_beta else q + beta
                a = np.float32(np.divide(1.0, np.sqrt(q)))
                am = np.float32(a * mean)
                for k in range(out.shape[3]):
                    out[image, y, j, k] = a * out[image, y, j, k] - am * sums[0, k] - sums[1, k]


@njit(cache=True)
def _part(v: np.float32, parts: int, part: int, alpha: np.float32) -> np.float32:
    if parts == 1:
        return v
    v = v - alpha if part == 0 else -v - alpha
    return np.float32(0) if v < 0 else v


@njit(cache=True)
def _raise(v: np.float32, order: np.float32) -> np.float32:
    if order == 1:
        return v
    return v * v if order == 2 else abs(v) ** order


@njit(cache=True, parallel=True)
def _pool(
    x: np.ndarray,
    out: np.ndarray,
    row_lo: np.ndarray,
    row_hi: np.ndarray,
    col_lo: np.ndarray,
    col_hi: np.ndarray,
    alpha: float,
    order: float,
) -> None:
    n, parts, channels, out_h, out_w = out.shape
    power, inverse, threshold = np.float32(order), np.float32(1 / order), np.float32(alpha)
    for r in prange(n * out_h):
        image, i = r // out_h, r % out_h
        for part in range(parts):
            rows = np.zeros((x.shape[2], channels), np.float32)
            for y in range(row_lo[i], row_hi[i]):
                for j in range(x.shape[2]):
                    for c in range(channels):
                        v = _part(x[image, y, j, c], parts, part, threshold)
                        rows[j, c] += _raise(v, power)
            total = np.empty(channels, np.float32)
            for j in range(out_w):
                total[:] = 0
                for m in range(col_lo[j], col_hi[j]):
                    total += rows[m]
                for c in range(channels):
                    v = total[c]
                    if order != 1:
                        v = np.float32(0) if v < 0 else v
                        v = np.sqrt(v) if order == 2 else v**inverse
                    out[image, part, c, i, j] = v
