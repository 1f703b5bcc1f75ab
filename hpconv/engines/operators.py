"""The pipeline's operators as PyTensor graphs: symbolic ``(N, C, H, W)`` tensors in and out.

Every operator is 'valid' (no padding) and keeps the dtype of its input. On float32 images, what a
layer can request is a step of a fused ``Kernel``. Everything else is a symbolic formula, as is
everything on float64: the reference of the kernels. ``B_k`` in the docstrings is the sum over a
k x k window. Source of all formulas: Bergstra, Yamins and Cox,
ICML 2013, and its public code.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorConstant, TensorVariable

from hpconv import kernels
from hpconv.engines.ops import Correlate, Kernel, Warp, WindowSum
from hpconv.kernels import Step

EPSILON = 1e-4  # keeps divisors of normalisation away from zero


def _is_float32(x: TensorVariable) -> bool:
    return bool(x.dtype == "float32")


def _step(x: TensorVariable, step: Step) -> TensorVariable:
    return Kernel((step,))(x)


def _like(x: TensorVariable, value: Any) -> TensorVariable:
    return pt.constant(np.asarray(value, x.dtype))


def _is_whole(order: float) -> bool:
    return float(order) == int(order)


def _is_odd(order: float) -> bool:
    return order % 2 == 1


def _positive_root(x: TensorVariable, order: float) -> TensorVariable:
    x = pt.maximum(x, _like(x, 0))
    return pt.sqrt(x) if order == 2 else x ** _like(x, 1.0 / order)


def _power(x: TensorVariable, order: float) -> TensorVariable:
    return x * x if order == 2 else x ** _like(x, order)


def warp(x: TensorVariable, matrix: np.ndarray, size: int) -> TensorVariable:
    """Resample under a 3x3 affine matrix over (column, row, 1): ``(N, C, size, size)``.

    Output pixel q is the bilinear interpolation of x at ``inverse(matrix) q``; pixels outside
    the image count as 0. Details: ``hpconv.kernels.warp``.
    """
    return Warp(tuple(map(tuple, np.asarray(matrix).tolist())), size)(x)


def lpool(x: TensorVariable, ker_size: int, order: float, stride: int) -> TensorVariable:
    """Lp pooling ``max(B_k(x^p), 0)^(1/p)``, strided; order 1 is the plain sum ``B_k(x)``.

    A whole order keeps signs as powers do, a real order takes ``|x|`` first.
    """
    if _is_float32(x) and (order == 1 or not _is_odd(order)):
        return _step(x, kernels.Lpool(ker_size=ker_size, order=order, stride=stride))
    if order == 1:
        pooled = WindowSum(ker_size)(x)
    else:
        base = x if _is_whole(order) else pt.abs(x)
        pooled = _positive_root(WindowSum(ker_size)(_power(base, order)), order)
    return pooled[:, :, ::stride, ::stride]


def lpool_alpha(
    x: TensorVariable, ker_size: int, order: float, stride: int, alpha: float
) -> TensorVariable:
    """Lp pooling of the two rectified halves of a map, stacked to 2C channels.

    ``B_k(max(x-alpha, 0)^p)^(1/p)`` comes first, then ``B_k(max(-x-alpha, 0)^p)^(1/p)``, both
    strided.
    """
    if _is_float32(x):
        return _step(
            x, kernels.LpoolAlpha(ker_size=ker_size, order=order, stride=stride, alpha=alpha)
        )
    halves = []
    for signed in (x, -x):
        rectified = pt.maximum(signed - _like(x, alpha), _like(x, 0))
        pooled = _positive_root(WindowSum(ker_size)(_power(rectified, order)), order)
        halves.append(pooled[:, :, ::stride, ::stride])
    return pt.concatenate(halves, axis=1)


def quantize_gridpool(
    x: TensorVariable, grid_res: int, order: float, alpha: float, use_mid: bool = False
) -> TensorVariable:
    """Lp norms of rectified maps over a coarse grid, flattened from (N, C, g, g, 2 or 3).

    A part q gives ``(sum q^p)^(1/p)`` in each cell. The parts are ``max(x-alpha, 0)``,
    ``max(-x-alpha, 0)`` and, with use_mid, ``max(alpha-|x|, 0)``. Cells are ``H // g`` rows and
    columns; the last takes the remainder.
    """
    if _is_float32(x) and not use_mid:
        return _step(x, kernels.Gridpool(grid_res, order, alpha))
    zero, threshold = _like(x, 0), _like(x, alpha)
    parts = [pt.maximum(x - threshold, zero), pt.maximum(-x - threshold, zero)]
    if use_mid:
        parts.append(pt.maximum(threshold - pt.abs(x), zero))
    edges = [i * (x.shape[2] // grid_res) for i in range(grid_res)]
    pools = [_positive_root(_grid_sum(_power(part, order), edges), order) for part in parts]
    return pt.stack(pools, axis=4).flatten(2)


def lpool_smallgrid(x: TensorVariable, grid_res: int, order: float) -> TensorVariable:
    """``lpool`` over cells of ``ceil(H / grid_res)`` that do not overlap: (N, C, g, g)."""
    edges = [i * (-(-x.shape[2] // grid_res)) for i in range(grid_res)]
    if order == 1:
        return _grid_sum(x, edges)
    base = x if _is_whole(order) else pt.abs(x)
    return _positive_root(_grid_sum(_power(base, order), edges), order)


def _grid_sum(x: TensorVariable, edges: list[Any]) -> TensorVariable:
    """Sums over the cells of a square grid with these edges; the last cell takes the remainder."""
    cells = [slice(a, b) for a, b in zip(edges, [*edges[1:], None], strict=True)]
    for axis in (2, 3):
        slabs = [x[:, :, cell] if axis == 2 else x[:, :, :, cell] for cell in cells]
        x = pt.stack([slab.sum(axis=axis, dtype=x.dtype) for slab in slabs], axis=axis)
    return x


def _normalise(
    centred: TensorVariable, ssq: TensorVariable, threshold: float, stretch: float
) -> TensorVariable:
    divisor = _like(ssq, EPSILON) + pt.sqrt(pt.maximum(ssq, _like(ssq, 0)))
    divisor = divisor * _like(ssq, stretch)
    small = divisor < _like(ssq, threshold + EPSILON)
    return centred * _like(centred, stretch) / pt.switch(small, _like(ssq, 1), divisor)


def lnorm(
    x: TensorVariable, ker_size: int, remove_mean: bool, threshold: float, stretch: float = 1.0
) -> TensorVariable:
    """Local contrast normalisation over the k x k x C window p around each kept pixel x.

    The result is ``(x - m) / d`` with ``d = 1e-4 + sqrt(sum (p - m)^2)``, where m is the
    window's mean with remove_mean, else 0. ``x - m`` and d are first multiplied by stretch; a d
    below ``threshold + 1e-4`` becomes 1.
    """
    if _is_float32(x) and stretch == 1:
        return _step(x, kernels.Lnorm(ker_size, remove_mean, threshold))
    before, after = ker_size // 2 - (ker_size + 1) % 2, ker_size // 2
    inner = slice(before, -after) if after else slice(None)
    centre = x[:, :, inner, inner]
    ssq = _channel_window_sum(x * x, ker_size)
    if remove_mean:
        total = _channel_window_sum(x, ker_size)
        count = (x.shape[1] * ker_size**2).astype(x.dtype)
        centre = centre - total / count
        ssq = ssq - total * total / count
    return _normalise(centre, ssq, threshold, stretch)


def _channel_window_sum(x: TensorVariable, size: int) -> TensorVariable:
    # sum channels first, so that windows are summed over one map instead of C
    return WindowSum(size)(x.sum(axis=1, keepdims=True, dtype=x.dtype))


def gnorm(
    x: TensorVariable,
    remove_mean: bool,
    threshold: float,
    stretch: float = 1.0,
    across_channels: bool = True,
) -> TensorVariable:
    """Contrast normalisation as in ``lnorm``, but over the whole map: ``(N, C, H, W)``.

    The mean and the sum of squares are those of all channels together, or of each alone.
    """
    axes = (1, 2, 3) if across_channels else (2, 3)
    ssq = (x * x).sum(axis=axes, keepdims=True, dtype=x.dtype)
    if remove_mean:
        total = x.sum(axis=axes, keepdims=True, dtype=x.dtype)
        count = (x.shape[2] * x.shape[3] * (x.shape[1] if across_channels else 1)).astype(x.dtype)
        x, ssq = x - total / count, ssq - total * total / count
    return _normalise(x, ssq, threshold, stretch)


def clip(x: TensorVariable, min_out: float, max_out: float) -> TensorVariable:
    """Limit every value: ``min(max(x, min_out), max_out)``."""
    return pt.clip(x, _like(x, min_out), _like(x, max_out))


def fbcorr(x: TensorVariable, filters: TensorVariable) -> TensorVariable:
    """Plain correlation with filters ``(K, C, s, s)``: ``(N, K, H-s+1, W-s+1)``."""
    filters = pt.as_tensor(filters)
    if _is_float32(x) and isinstance(filters, TensorConstant):
        return _step(x, kernels.Fbcorr(filters.data))
    return Correlate()(x, filters)


def fbncc(
    x: TensorVariable,
    mean: np.ndarray,
    filters: np.ndarray,
    remove_mean: bool,
    beta: float,
    hard_beta: bool,
) -> TensorVariable:
    """Correlation of contrast-normalised patches, minus a mean patch, with filters.

    Each s x s x C patch p becomes ``c = (p - m) / sqrt(q)``, where m is its mean or 0 and q
    is ``max(|p-m|^2, beta)`` if hard_beta else ``|p-m|^2 + beta``; the result is
    ``(c - mean) . filter``. Patches are never built: with ``a = 1/sqrt(q)`` it equals
    ``a * (filters*x - m * sum(filters)) - filters . mean``.

    Args:
        mean: broadcastable to ``(C, s, s)``.
        filters: ``(K, C, s, s)``.
    """
    if _is_float32(x):
        return _step(x, kernels.Fbncc(mean, filters, remove_mean, beta, hard_beta))
    size = filters.shape[-1]
    response = fbcorr(x, filters.astype(x.dtype))
    ssq = _channel_window_sum(x * x, size)
    if remove_mean:
        count = float(np.prod(filters.shape[1:]))
        total = _channel_window_sum(x, size)
        ssq = ssq - total * total / _like(x, count)
        response = response - total / _like(x, count) * _per_filter(x, filters)
    ssq = pt.maximum(ssq, _like(x, 0))
    q = pt.maximum(ssq, _like(x, beta)) if hard_beta else ssq + _like(x, beta)
    return response / pt.sqrt(q) - _per_filter(x, filters * mean)


def _per_filter(x: TensorVariable, weights: np.ndarray) -> TensorVariable:
    return _like(x, weights.sum(axis=(1, 2, 3), dtype="float64")[None, :, None, None])
