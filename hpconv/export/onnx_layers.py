"""Layers as ONNX nodes.

Window variances are differences of large sums and are computed in float64, as in the engines.
Sums over windows and cells are products with 0/1 matrices from both sides, because ONNX Runtime
has neither pooling nor convolution in float64.
"""

from functools import singledispatch
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hpconv.engines.operators import EPSILON
from hpconv.kernels.warp import interpolation_matrix
from hpconv.model import layers
from hpconv.model.layers import Layer, Shape


class Graph:
    """A graph under construction.

    Attributes:
        nodes: in the order of computation.
        constants: inputs of nodes.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: Any, name: str = "", **attributes: Any) -> str:
        """Add a node whose inputs are names or arrays; returns the name of its output."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def _constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


@singledispatch
def add(layer: Layer, graph: Graph, x: str, shape: Shape) -> str:
    """Add a layer's nodes for input x of shape (N, *shape); returns the name of the output."""
    raise TypeError(f"no ONNX nodes for {layer!r}")


@add.register
def _warp(layer: layers.Warp, graph: Graph, x: str, shape: Shape) -> str:
    channels, height, width = shape
    weights = interpolation_matrix(layer.matrix, height, width, layer.size)  # four per row
    pixels = graph("Reshape", x, np.array([0, channels, height * width]))
    corners = graph("Gather", pixels, weights.indices.reshape(-1, 4).astype("int64"), axis=2)
    weighted = graph("Mul", corners, weights.data.reshape(-1, 4).astype("float32"))
    mixed = graph("ReduceSum", weighted, np.array([3]), keepdims=0)
    clipped = graph("Clip", mixed, np.float32(0), np.float32(1))
    return graph("Reshape", clipped, np.array([0, channels, layer.size, layer.size]))


@add.register
def _filter(layer: layers.Filter, graph: Graph, x: str, shape: Shape) -> str:
    assert layer.bank is not None, "an extractor has its filters"
    filters = layer.bank.filters.astype("float64")
    offset = (filters * layer.bank.mean).sum(axis=(1, 2, 3)).reshape(-1, 1, 1)
    if layer.remove_mean:  # equivalent to subtracting the mean of each patch
        filters = filters - filters.mean(axis=(1, 2, 3), keepdims=True)
    _, ssq = _statistics(graph, x, shape, layer.size, layer.remove_mean)
    q = graph("Max" if layer.hard_beta else "Add", ssq, np.float64(layer.beta))
    response = graph("Conv", x, filters.astype("float32"))
    return graph("Sub", graph("Div", response, _root_of(graph, q)), offset.astype("float32"))


@add.register
def _lpool(layer: layers.Lpool, graph: Graph, x: str, shape: Shape) -> str:
    windows = [_windows(length, layer.ker_size, layer.stride) for length in shape[1:]]
    if layer.order == 1:
        return _sums(graph, x, windows)
    base = x if layer.order % 1 == 0 else graph("Abs", x)
    powers = graph("Pow", base, np.float32(layer.order))
    return _root(graph, _sums(graph, powers, windows), layer.order)


@add.register
def _lpool_alpha(layer: layers.LpoolAlpha, graph: Graph, x: str, shape: Shape) -> str:
    windows = [_windows(length, layer.ker_size, layer.stride) for length in shape[1:]]
    pools = [_sums(graph, powers, windows) for powers in _rectified_powers(graph, x, layer)]
    return _root(graph, graph("Concat", *pools, axis=1), layer.order)


@add.register
def _gridpool(layer: layers.GridPool, graph: Graph, x: str, shape: Shape) -> str:
    cells = [_cells(length, layer.grid_res) for length in shape[1:]]
    pools = [_sums(graph, powers, cells) for powers in _rectified_powers(graph, x, layer)]
    columns = [graph("Unsqueeze", pool, np.array([4])) for pool in pools]
    return graph("Flatten", _root(graph, graph("Concat", *columns, axis=4), layer.order), axis=1)


@add.register
def _lnorm(layer: layers.Lnorm, graph: Graph, x: str, shape: Shape) -> str:
    mean, ssq = _statistics(graph, x, shape, layer.ker_size, layer.remove_mean)
    before, less = (layer.ker_size - 1) // 2, layer.ker_size - 1
    ends = np.array([before + length - less for length in shape[1:]])
    centre = graph("Slice", x, np.array([before, before]), ends, np.array([2, 3]))
    if layer.remove_mean:
        centre = graph("Sub", centre, graph("Cast", mean, to=TensorProto.FLOAT))
    divisor = graph("Add", graph("Sqrt", ssq), np.float64(EPSILON))
    small = graph("Less", divisor, np.float64(layer.threshold + EPSILON))
    divisor = graph("Where", small, np.float64(1), divisor)
    return graph("Div", centre, graph("Cast", divisor, to=TensorProto.FLOAT))


def _statistics(
    graph: Graph, x: str, shape: Shape, size: int, remove_mean: bool
) -> tuple[str, str]:
    """Mean of each size x size x C window, and sum of squares about it (float64).

    Without remove_mean, the sum of squares is about 0 and the mean is an empty name.
    """
    windows = [_windows(length, size, 1).astype("float64") for length in shape[1:]]
    wide = graph("Cast", x, to=TensorProto.DOUBLE)
    squares = graph("ReduceSum", graph("Mul", wide, wide), np.array([1]))
    ssq = _sums(graph, squares, windows)
    if not remove_mean:
        return "", ssq
    total = _sums(graph, graph("ReduceSum", wide, np.array([1])), windows)
    mean = graph("Div", total, np.float64(shape[0] * size**2))
    return mean, graph("Max", graph("Sub", ssq, graph("Mul", total, mean)), np.float64(0))


def _sums(graph: Graph, x: str, parts: list[np.ndarray]) -> str:
    """Sums over parts of rows and of columns, given as two 0/1 matrices (parts, length)."""
    rows, columns = parts
    return graph("MatMul", graph("MatMul", rows, x), columns.T)


def _windows(length: int, size: int, stride: int) -> np.ndarray:
    starts, places = np.arange(0, length - size + 1, stride)[:, None], np.arange(length)
    return ((places >= starts) & (places < starts + size)).astype("float32")


def _cells(length: int, count: int) -> np.ndarray:
    """Cells of equal length; the last includes the remainder."""
    cell = np.minimum(np.arange(length) // (length // count), count - 1)
    return (cell == np.arange(count)[:, None]).astype("float32")


def _rectified_powers(
    graph: Graph, x: str, layer: layers.LpoolAlpha | layers.GridPool
) -> list[str]:
    alpha, order = np.float32(layer.alpha), np.float32(layer.order)
    signed = (x, graph("Neg", x))
    return [graph("Pow", graph("Relu", graph("Sub", each, alpha)), order) for each in signed]


def _root(graph: Graph, x: str, order: float) -> str:
    return graph("Pow", graph("Relu", x), np.float32(1 / order))


def _root_of(graph: Graph, squares: str) -> str:
    return graph("Cast", graph("Sqrt", squares), to=TensorProto.FLOAT)
