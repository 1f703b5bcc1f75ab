"""The PyTorch engine: the layers of the PyTensor engine as native torch calls.

It runs on the first visible CUDA device, or on the CPU without one, so that every machine can
test it. Weights and sampling points are moved to the device once, when a stage is compiled.
Window variances are differences of large sums and are computed in float64; everything else is
float32 without TF32, so that both engines give the same features.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hpconv.engines.operators import EPSILON
from hpconv.model import layers
from hpconv.model.layers import Layer


def compile_stage(stage: Sequence[Layer], n_channels: int) -> Callable[[np.ndarray], np.ndarray]:
    """Compile layers to a function of float32 images ``(N, n_channels, H, W)``.

    Raises:
        MemoryError: here or from the function, when the device runs out of memory.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _memory_errors():
        steps = [(layer, [w.to(device) for w in layer_weights(layer)]) for layer in stage]

    @_memory_errors()
    @torch.inference_mode()
    def run(images: np.ndarray) -> np.ndarray:
        maps = torch.tensor(images, device=device)
        # trials must be reproducible, and TF32 has only three significant digits
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for layer, weights in steps:
                maps = apply_layer(layer, maps, *weights)
        return maps.numpy(force=True)

    return run


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error


@singledispatch
def layer_weights(layer: Layer) -> Sequence[Tensor]:
    """The tensors that a layer needs; none unless a function is registered for its type."""
    return ()


@layer_weights.register
def _warp_weights(layer: layers.Warp) -> Sequence[Tensor]:
    """Sampling points ``(size, size, 2)``: (column, row) of the input."""
    row, column = np.mgrid[: layer.size, : layer.size]
    outputs = np.stack([column, row, np.ones_like(row)], axis=-1)
    return [torch.tensor(outputs @ np.linalg.inv(layer.matrix)[:2].T)]


@layer_weights.register
def _filter_weights(layer: layers.Filter) -> Sequence[Tensor]:
    """Filters ``(K, C, s, s)`` and their products with the mean patch ``(K, 1, 1)``."""
    assert layer.bank is not None, "filters are learned before a stage is compiled"
    filters = torch.tensor(layer.bank.filters, dtype=torch.float64)
    offset = (filters * torch.tensor(layer.bank.mean)).sum(dim=(1, 2, 3)).reshape(-1, 1, 1)
    if layer.remove_mean:  # equals removing each patch's mean
        filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    return [filters.float(), offset.float()]


@singledispatch
def apply_layer(layer: Layer, x: Tensor, *weights: Tensor) -> Tensor:
    """Apply a layer to maps x ``(N, C, H, W)``: ``(N, C', H', W')``."""
    raise TypeError(f"no transform for {layer!r}")


@apply_layer.register
def _warp(layer: layers.Warp, x: Tensor, points: Tensor) -> Tensor:
    extent = points.new_tensor([x.shape[3], x.shape[2]])
    grid = (2 * points + 1) / extent - 1  # -1 and 1 are the outer edges of the border pixels
    grid = grid.expand(x.shape[0], -1, -1, -1)  # not len(x): an exported program keeps a symbol
    return functional.grid_sample(x.double(), grid, align_corners=False).clamp(0, 1).float()


@apply_layer.register
def _filter(layer: layers.Filter, x: Tensor, filters: Tensor, offset: Tensor) -> Tensor:
    _, ssq = _window_statistics(x, layer.size, layer.remove_mean)
    q = ssq.clamp(min=layer.beta) if layer.hard_beta else ssq + layer.beta
    return functional.conv2d(x, filters) / q.sqrt().float() - offset


@apply_layer.register
def _lpool(layer: layers.Lpool, x: Tensor) -> Tensor:
    if layer.order == 1:
        return _window_sum(x, layer.ker_size, layer.stride)
    base = x if layer.order % 1 == 0 else x.abs()
    return _root(_window_sum(base**layer.order, layer.ker_size, layer.stride), layer.order)


@apply_layer.register
def _lpool_alpha(layer: layers.LpoolAlpha, x: Tensor) -> Tensor:
    powers = _rectified_powers(x, layer.alpha, layer.order)
    pools = [_window_sum(power, layer.ker_size, layer.stride) for power in powers]
    return _root(torch.cat(pools, dim=1), layer.order)


@apply_layer.register
def _gridpool(layer: layers.GridPool, x: Tensor) -> Tensor:
    powers = _rectified_powers(x, layer.alpha, layer.order)
    pools = [_grid_sum(power, layer.grid_res) for power in powers]
    return _root(torch.stack(pools, dim=4), layer.order).flatten(1)


@apply_layer.register
def _lnorm(layer: layers.Lnorm, x: Tensor) -> Tensor:
    mean, ssq = _window_statistics(x, layer.ker_size, layer.remove_mean)
    rows, columns = mean.shape[2:]
    before = (layer.ker_size - 1) // 2
    centre = x[:, :, before : before + rows, before : before + columns]
    divisor = EPSILON + ssq.sqrt()
    divisor = divisor.masked_fill(divisor < layer.threshold + EPSILON, 1)
    return (centre - mean.float()) / divisor.float()


def _window_statistics(x: Tensor, size: int, remove_mean: bool) -> tuple[Tensor, Tensor]:
    """Mean (or 0) of every size x size x C window, and the sum of squares about it.

    Both are ``(N, 1, H-size+1, W-size+1)`` in float64.
    """
    wide = x.double()
    ssq = _window_sum(wide.square().sum(dim=1, keepdim=True), size)
    if not remove_mean:
        return torch.zeros_like(ssq), ssq
    total = _window_sum(wide.sum(dim=1, keepdim=True), size)
    mean = total / (x.shape[1] * size**2)
    return mean, (ssq - total * mean).clamp(min=0)


def _window_sum(x: Tensor, size: int, stride: int = 1) -> Tensor:
    return functional.avg_pool2d(x, size, stride, divisor_override=1)


def _grid_sum(x: Tensor, grid_res: int) -> Tensor:
    """Sums over the cells of a grid; the last row and column of cells take the remainder."""
    for axis in (2, 3):
        cell = x.shape[axis] // grid_res
        edges = [i * cell for i in range(1, grid_res)]
        x = torch.stack([slab.sum(axis) for slab in x.tensor_split(edges, axis)], axis)
    return x


def _rectified_powers(x: Tensor, alpha: float, order: float) -> list[Tensor]:
    return [(signed - alpha).clamp(min=0) ** order for signed in (x, -x)]


def _root(x: Tensor, order: float) -> Tensor:
    return x.clamp(min=0) ** (1 / order)
