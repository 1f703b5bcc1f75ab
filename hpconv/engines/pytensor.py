"""The PyTensor engine: compiles a stage of typed layers to one function."""

from collections.abc import Callable, Sequence
from functools import singledispatch

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.tensor.variable import TensorVariable

from hpconv.engines import operators
from hpconv.model import layers
from hpconv.model.layers import Layer

# A stage consists of Warp and Kernel nodes: merging kernels is the only useful rewrite, and Python
# thunks suffice. A new graph is ready in milliseconds without PyTensor's C compiler
# (docs/decisions.md, Kernels).
MODE = Mode(linker="vm", optimizer=RewriteDatabaseQuery(include=["merge_kernels"]))


def compile_stage(stage: Sequence[Layer], n_channels: int) -> Callable[[np.ndarray], np.ndarray]:
    """Compile layers to a function of float32 images ``(N, n_channels, H, W)``."""
    x = y = pt.tensor("images", dtype="float32", shape=(None, n_channels, None, None))
    for layer in stage:
        y = _apply(layer, y)
    return pytensor.function([x], y, mode=MODE)


@singledispatch
def _apply(layer: Layer, x: TensorVariable) -> TensorVariable:
    raise TypeError(f"no operator for {layer!r}")


@_apply.register
def _warp(layer: layers.Warp, x: TensorVariable) -> TensorVariable:
    return operators.warp(x, np.asarray(layer.matrix), layer.size)


@_apply.register
def _filter(layer: layers.Filter, x: TensorVariable) -> TensorVariable:
    assert layer.bank is not None, "filters are learned before a stage is compiled"
    return operators.fbncc(x, *layer.bank, layer.remove_mean, layer.beta, layer.hard_beta)


@_apply.register
def _lpool(layer: layers.Lpool, x: TensorVariable) -> TensorVariable:
    return operators.lpool(x, layer.ker_size, layer.order, layer.stride)


@_apply.register
def _lpool_alpha(layer: layers.LpoolAlpha, x: TensorVariable) -> TensorVariable:
    return operators.lpool_alpha(x, layer.ker_size, layer.order, layer.stride, layer.alpha)


@_apply.register
def _gridpool(layer: layers.GridPool, x: TensorVariable) -> TensorVariable:
    return operators.quantize_gridpool(x, layer.grid_res, layer.order, layer.alpha)


@_apply.register
def _lnorm(layer: layers.Lnorm, x: TensorVariable) -> TensorVariable:
    return operators.lnorm(x, layer.ker_size, layer.remove_mean, layer.threshold)
