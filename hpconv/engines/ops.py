"""PyTensor Ops for the kernels, and the rewrite that merges them.

``Kernel`` runs any chain of steps on float32 images; adjacent kernels of a graph are merged, so
that a stage is one node. The other Ops accept any dtype.
"""

from typing import Any

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.tensor.variable import TensorVariable

from hpconv import kernels
from hpconv.kernels import reference
from hpconv.kernels.warp import Matrix, warp

Storage = list[list[Any]]


class Kernel(Op):
    """A chain of kernel steps on float32 images ``(N, C, H, W)``."""

    __props__ = ("steps",)

    def __init__(self, steps: tuple[kernels.Step, ...]) -> None:
        self.steps = steps

    def __str__(self) -> str:
        return f"Kernel{{{', '.join(type(step).__name__ for step in self.steps)}}}"

    def make_node(self, x: TensorVariable) -> Apply:
        flat = isinstance(self.steps[-1], kernels.Gridpool)
        shape = (x.type.shape[0], *[None] * (1 if flat else 3))
        return Apply(self, [x], [pt.tensor(dtype="float32", shape=shape)])

    def perform(self, node: Apply, inputs: list[Any], output_storage: Storage) -> None:
        output_storage[0][0] = kernels.run_steps(inputs[0], self.steps)


@node_rewriter([Kernel])
def merge_kernels(fgraph: FunctionGraph, node: Apply) -> list[TensorVariable] | None:
    """Merge ``Kernel(b)(Kernel(a)(x))`` to ``Kernel(a + b)(x)`` if nothing else reads ``a(x)``."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, Kernel) or len(fgraph.clients[x]) > 1:
        return None
    return [Kernel(x.owner.op.steps + node.op.steps)(*x.owner.inputs)]


optdb.register("merge_kernels", in2out(merge_kernels), "fast_run", position=1)


class WindowSum(Op):
    """Sum over size x size windows of every channel."""

    __props__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def make_node(self, x: TensorVariable) -> Apply:
        # keep the channel count in the type: one channel broadcasts against many
        shape = (*x.type.shape[:2], None, None)
        return Apply(self, [x], [pt.tensor(dtype=x.dtype, shape=shape)])

    def perform(self, node: Apply, inputs: list[Any], output_storage: Storage) -> None:
        output_storage[0][0] = reference.window_sum(inputs[0], self.size)


class Correlate(Op):
    """Correlation of images with a filterbank."""

    __props__ = ()

    def make_node(self, x: TensorVariable, filters: TensorVariable) -> Apply:
        return Apply(self, [x, filters], [pt.tensor4(dtype=x.dtype)])

    def perform(self, node: Apply, inputs: list[Any], output_storage: Storage) -> None:
        output_storage[0][0] = reference.correlate(*inputs)


class Warp(Op):
    """Affine resampling of images to size x size."""

    __props__ = ("matrix", "size")

    def __init__(self, matrix: Matrix, size: int) -> None:
        self.matrix = matrix
        self.size = size

    def make_node(self, x: TensorVariable) -> Apply:
        return Apply(self, [x], [pt.tensor4(dtype=x.dtype)])

    def perform(self, node: Apply, inputs: list[Any], output_storage: Storage) -> None:
        output_storage[0][0] = warp(inputs[0], self.matrix, self.size)
