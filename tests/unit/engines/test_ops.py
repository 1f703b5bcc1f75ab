"""A stage compiles to one fused kernel, whose filters are packed once."""

import ctypes
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from hpconv.engines import operators
from hpconv.engines.ops import Kernel
from hpconv.engines.pytensor import MODE, compile_stage
from hpconv.features.learning import learn
from hpconv.kernels import c_backend, packed_filters
from hpconv.model.layers import Lpool, Warp
from hpconv.model.pipeline import describe
from tests.unit.features.test_extractor import CASES, IMAGE_SHAPE, MODEL, VECTORS

BANK = np.random.RandomState(0).randn(8, 3, 3, 3).astype("float32")


def nodes(function: Any) -> list[str]:
    """The Ops of a compiled function, in order."""
    return [type(node.op).__name__ for node in function.maker.fgraph.toposort()]


@pytest.mark.parametrize("case", [c for c in CASES if c["ok"]], ids=lambda c: str(c["case"]))
def test_a_stage_compiles_to_one_kernel(case: dict[str, Any]) -> None:
    pipeline = describe(case["vals"], IMAGE_SHAPE, MODEL)
    stages = learn(pipeline, VECTORS["unsup"], MODEL).pipeline.stages
    compiled_stages = [nodes(compile_stage(stage, n_channels=3)) for stage in stages]
    assert compiled_stages == [["Warp"]] + [["Kernel"]] * (len(stages) - 1)


def test_a_warp_is_followed_by_one_kernel() -> None:
    warp = Warp(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), size=8)
    stage = compile_stage(
        [warp, Lpool(ker_size=2, stride=1, order=2.0), Lpool(ker_size=3, stride=1, order=2.0)],
        n_channels=3,
    )
    assert nodes(stage) == ["Warp", "Kernel"]


def test_a_kernel_whose_maps_are_an_output_is_not_merged() -> None:
    x = pt.tensor4("x", dtype="float32")
    pooled = operators.lpool(x, 2, 1, 1)
    function = pytensor.function([x], [pooled, operators.lpool(pooled, 2, 1, 1)], mode=MODE)
    assert nodes(function) == ["Kernel", "Kernel"]
    maps, twice = function(np.ones((1, 1, 3, 3), "float32"))
    assert (maps == 4).all()
    assert (twice == 16).all()


def test_filters_may_be_an_input() -> None:
    x, filters = pt.tensor4("x", dtype="float32"), pt.tensor4("filters", dtype="float32")
    images = np.ones((2, 3, 5, 5), "float32")
    symbolic = pytensor.function([x, filters], operators.fbcorr(x, filters), mode=MODE)
    fixed = pytensor.function([x], operators.fbcorr(x, BANK), mode=MODE)
    np.testing.assert_allclose(symbolic(images, BANK), fixed(images), rtol=1e-4, atol=1e-5)


class CountingLibrary:
    """The compiled kernels, with a count of packed filterbanks."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.lanes = library.lanes
        self.packed = 0
        self._pack = library.pack

    def pack(self, *args: Any) -> None:
        self.packed += 1
        self._pack(*args)


def test_filters_are_packed_once_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingLibrary(packed_filters.library())
    monkeypatch.setattr(packed_filters, "library", lambda: counting)
    x = pt.tensor4("x", dtype="float32")
    function = pytensor.function([x], operators.fbcorr(x, BANK), mode=MODE)
    for side in (5, 6, 7):
        function(np.ones((2, 3, side, side), "float32"))
    assert counting.packed == 1


class FullLibrary:
    """Compiled kernels that cannot allocate memory."""

    def layer(self, fields: Any) -> int:
        return -1


def test_a_failed_allocation_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_backend, "library", FullLibrary)
    x = pt.tensor4("x", dtype="float32")
    function = pytensor.function([x], operators.lpool(x, 2, 1, 1), mode=MODE)
    with pytest.raises(MemoryError, match="working memory"):
        function(np.ones((1, 1, 3, 3), "float32"))


def test_a_window_that_does_not_fit_is_a_value_error() -> None:
    x = pt.tensor4("x", dtype="float32")
    function = pytensor.function([x], operators.lpool(x, 4, 1, 1), mode=MODE)
    with pytest.raises(ValueError, match="does not fit"):
        function(np.ones((1, 1, 3, 3), "float32"))


def test_equal_steps_are_equal_ops_but_banks_differ() -> None:
    x = pt.tensor4("x", dtype="float32")
    pool, same = (operators.lpool(x, 2, 1, 1).owner.op for _ in range(2))
    assert pool == same
    one, other = (operators.fbcorr(x, bank).owner.op for bank in (BANK, -BANK))
    assert isinstance(one, Kernel)
    assert one != other
