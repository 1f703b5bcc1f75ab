"""The stacked layers of the workloads in PyTorch, JAX and hpconv: lnorm, correlation, Lp pooling.

Each maker takes the filterbanks ``(K, C, s, s)`` and returns a function of float32 images.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STRIDE = 2
EPSILON = 1e-4  # as in hpconv.engines.operators


@dataclass(frozen=True)
class Layer:
    """Local normalisation over norm, filters of size, Lp pooling (order 2) over pool pixels."""

    n_filters: int
    size: int
    norm: int
    pool: int

    @property
    def crop(self) -> int:
        """The rows and columns that normalisation drops in front."""
        return self.norm // 2 - (self.norm + 1) % 2 if self.norm > 1 else 0


Network = Callable[[np.ndarray], np.ndarray]


def hpconv(layers: list[Layer], banks: list[np.ndarray]) -> Network:
    import pytensor
    import pytensor.tensor as pt

    from hpconv.engines import operators
    from hpconv.engines.pytensor import MODE

    x = y = pt.tensor4("images", dtype="float32")
    for layer, bank in zip(layers, banks, strict=True):
        y = operators.lnorm(y, layer.norm, True, 0.0)
        y = operators.lpool(operators.fbcorr(y, bank), layer.pool, 2, STRIDE)
    return pytensor.function([x], y, mode=MODE)


def torch_eager(layers: list[Layer], banks: list[np.ndarray]) -> Network:
    return _torch(layers, banks, compiled=False)


def torch_compile(layers: list[Layer], banks: list[np.ndarray]) -> Network:
    return _torch(layers, banks, compiled=True)


def _torch(layers: list[Layer], banks: list[np.ndarray], compiled: bool) -> Network:
    import torch
    from torch.nn import functional

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    weights = [torch.from_numpy(bank) for bank in banks]

    def network(x):
        for layer, bank in zip(layers, weights, strict=True):
            k, crop, side = layer.norm, layer.crop, x.shape[2] - layer.norm + 1
            n = x.shape[1] * k * k
            mean = functional.avg_pool2d(x.mean(1, keepdim=True), k, 1)
            ssq = functional.avg_pool2d((x * x).sum(1, keepdim=True), k, 1) * (k * k)
            d = EPSILON + torch.sqrt(torch.clamp(ssq - n * mean * mean, min=0))
            centre = x[:, :, crop : crop + side, crop : crop + side]
            x = functional.conv2d((centre - mean) / torch.where(d < EPSILON, 1, d), bank)
            mean = functional.avg_pool2d(x * x, layer.pool, STRIDE)
            x = torch.sqrt(torch.clamp(mean, min=0)) * layer.pool
        return x

    run = torch.compile(network) if compiled else network

    @torch.inference_mode()
    def call(x):
        return run(torch.from_numpy(x)).numpy()

    return call


def jax(layers: list[Layer], banks: list[np.ndarray]) -> Network:
    import jax
    import jax.numpy as jnp
    from jax import lax

    def window_sum(x, size, stride):
        window, strides = (1, 1, size, size), (1, 1, stride, stride)
        return lax.reduce_window(x, 0.0, lax.add, window, strides, "VALID")

    @jax.jit
    def network(x):
        for layer, bank in zip(layers, banks, strict=True):
            k, crop, side = layer.norm, layer.crop, x.shape[2] - layer.norm + 1
            n = x.shape[1] * k * k
            total, ssq = (window_sum(v.sum(1, keepdims=True), k, 1) for v in (x, x * x))
            d = EPSILON + jnp.sqrt(jnp.maximum(ssq - total * total / n, 0))
            centre = x[:, :, crop : crop + side, crop : crop + side]
            x = (centre - total / n) / jnp.where(d < EPSILON, 1, d)
            x = lax.conv(x, jnp.asarray(bank), (1, 1), "VALID")
            x = jnp.sqrt(jnp.maximum(window_sum(x * x, layer.pool, STRIDE), 0))
        return x

    return lambda x: np.asarray(network(x))
