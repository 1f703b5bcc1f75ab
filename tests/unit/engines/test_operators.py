"""The operators and filterbanks against reference vectors of the published system."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from hpconv.engines import operators
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
