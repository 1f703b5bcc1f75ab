"""The operators and filterbanks against reference vectors of the published system."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from hpconv.engines import operators
from hpconv.engines.ops import Kernel
from hpconv.model import filterbanks

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = json.loads((FIXTURES / "operator_vectors.json").read_text())
VECTORS = np.load(FIXTURES / "operator_vectors.npz")
FUNCTIONS = {"clipout": operators.clip}


def evaluate(case: dict[str, Any], dtype: str) -> np.ndarray:
    index, params = case["i"], case["params"]
    x = pt.tensor4("x", dtype=dtype)
    if case["op"] == "fbncc":
        keys = ("remove_mean", "beta", "hard_beta")
        bank = [VECTORS[f"{name}{index}"] for name in ("M", "FB")]
        y = operators.fbncc(x, *bank, **{key: params[key] for key in keys})
    else:
        y = FUNCTIONS.get(case["op"], getattr(operators, case["op"], None))(x, **params)
    compiled = pytensor.function([x], y, mode=pytensor.compile.Mode("vm", "fast_run"))
    return compiled(VECTORS[f"x{index}"].astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['op']}-{case['i']}")
def test_operator_equals_its_reference(case: dict[str, Any], dtype: str) -> None:
    expected = VECTORS[f"y{case['i']}"]
    actual = evaluate(case, dtype)
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize(
    "case", [c for c in CASES if f"wX{c['i']}" in VECTORS], ids=lambda case: str(case["i"])
)
def test_whitening_equals_its_reference(case: dict[str, Any]) -> None:
    index, params = case["i"], case["params"]
    options = {key: params[key] for key in ("gamma", "remove_mean", "beta", "hard_beta")}
    whitening = filterbanks.whiten(VECTORS[f"patches{index}"], **options)
    for ours, name in zip(whitening, ("wM", "wP", "wX"), strict=True):
        np.testing.assert_allclose(ours, VECTORS[f"{name}{index}"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("operator", "published", "layers"),
    [
        ("lpool", {"ker_size": 2, "order": 3, "stride": 1}, {"order": 4}),
        (
            "quantize_gridpool",
            {"grid_res": 2, "order": 2.0, "alpha": 0.1, "use_mid": True},
            {"use_mid": False},
        ),
        (
            "lnorm",
            {"ker_size": 3, "remove_mean": True, "threshold": 0.5, "stretch": 2.0},
            {"stretch": 1.0},
        ),
    ],
)
def test_only_requests_of_layers_reach_the_kernels(
    operator: str, published: dict[str, Any], layers: dict[str, Any]
) -> None:
    x = pt.tensor4("x", dtype="float32")
    function = getattr(operators, operator)
    assert not isinstance(function(x, **published).owner.op, Kernel)
    assert isinstance(function(x, **published | layers).owner.op, Kernel)


def test_clip_limits_values() -> None:
    x = pt.tensor4("x", dtype="float32")
    clipped = operators.clip(x, -0.3, 0.6).eval({x: np.float32([[[[-1, 0, 1]]]])})
    np.testing.assert_array_equal(clipped, np.float32([[[[-0.3, 0, 0.6]]]]))
