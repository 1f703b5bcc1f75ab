"""The torch engine gives the features of the published system, and those of the CPU engine."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpconv.engines import Function, compile_stage
from hpconv.features import learning
from hpconv.features.learning import learn
from hpconv.model import layers
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import Layer
from hpconv.model.patches import contrast_normalize
from hpconv.model.pipeline import describe
from tests.unit.features.test_extractor import CASES, IMAGE_SHAPE, MODEL, VECTORS
from tests.unit.objective import test_objective

pytestmark = pytest.mark.needs_torch
torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
torch_engine = import_module("hpconv.engines.torch")  # importable whenever torch is

RECIPE = layers.BankRecipe("projections", seed=0)
TURNED = ((0.8, -0.9, 12.0), (0.7, 0.8, -4.0), (0.0, 0.0, 1.0))


def distance(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest expected value."""
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    return np.abs(actual - expected).max() / np.abs(expected).max()


def compile_with_torch(stage: Sequence[Layer], n_channels: int, engine: str) -> Function:
    return torch_engine.compile_stage(stage, n_channels)


@pytest.mark.parametrize("case", [c for c in CASES if c["ok"]], ids=lambda c: str(c["case"]))
def test_features_equal_the_reference(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "compile_stage", compile_with_torch)
    description = describe(case["vals"], IMAGE_SHAPE, MODEL)
    features = learn(description, VECTORS["unsup"], MODEL).transform(VECTORS["test"])
    assert list(features.shape) == case["shape"]
    flat = features.reshape(len(features), -1)[:, :: case["stride"]]
    assert distance(flat, VECTORS[f"f{case['case']}"]) < 1e-3


def with_bank(layer: layers.Filter, n_channels: int) -> layers.Filter:
    shape = (n_channels, layer.size, layer.size)
    rng = np.random.default_rng(1)
    mean, filters = rng.normal(size=shape), rng.normal(size=(layer.n_filters, *shape))
    return replace(layer, bank=FilterBank(mean.astype("float32"), filters.astype("float32")))


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize(
    "layer",
    [
        layers.Warp(((1.5, 0.0, 0.0), (0.0, 1.5, 0.0), (0.0, 0.0, 1.0)), 25),
        layers.Warp(TURNED, 23),
        *[
            layers.Filter(5, size, RECIPE, remove_mean, beta, hard_beta)
            for size in (1, 4, 5)
            for remove_mean in (False, True)
            for beta, hard_beta in [(0.5, False), (10.0, True)]
        ],
        *[layers.Lpool(ker_size=4, stride=2, order=order) for order in (1, 2, 3, 0.3, 7.1)],
        layers.Lpool(ker_size=17, stride=3, order=2),
        *[
            layers.LpoolAlpha(ker_size=3, stride=2, order=order, alpha=0.1)
            for order in (1, 2, 0.3, 7.1)
        ],
        *[layers.GridPool(res, order, 0.1) for res in (1, 2, 3) for order in (1, 2, 0.3, 7.1)],
        *[
            layers.Lnorm(size, remove_mean, threshold)
            for size in (2, 5)
            for remove_mean in (False, True)
            for threshold in (0.0, 3.0)
        ],
    ],
    ids=str,
)
def test_each_layer_equals_the_cpu_engine(layer: Layer, n_channels: int) -> None:
    if isinstance(layer, layers.Filter):
        layer = with_bank(layer, n_channels)
    x = np.random.default_rng(0).normal(size=(3, n_channels, 17, 17)).astype("float32")
    if isinstance(layer, layers.Warp):
        x = np.abs(x).clip(max=1)
    expected = compile_stage([layer], n_channels, "cpu")(x)
    assert distance(torch_engine.compile_stage([layer], n_channels)(x), expected) < 1e-4


def test_low_contrast_on_a_bright_image_keeps_its_precision() -> None:
    layer = with_bank(layers.Filter(2, 5, RECIPE, True, 1e-6, hard_beta=False), 3)
    assert layer.bank
    bright = 1 + 1e-3 * np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(bright.astype("float64"), (5, 5), (2, 3))
    patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 3 * 5 * 5)
    normed = contrast_normalize(patches, True, layer.beta, layer.hard_beta)
    exact = (normed - layer.bank.mean.ravel()) @ layer.bank.filters.reshape(2, -1).T
    expected = exact.reshape(2, 5, 5, 2).transpose(0, 3, 1, 2)
    assert distance(torch_engine.compile_stage([layer], 3)(bright), expected) < 1e-3


def test_correlation_never_uses_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = []
    correlate = torch_engine.functional.conv2d

    def observed(*args: Any) -> Any:
        settings.append(torch.backends.cudnn.allow_tf32)
        return correlate(*args)

    monkeypatch.setattr(torch_engine.functional, "conv2d", observed)
    layer = with_bank(layers.Filter(2, 5, RECIPE, True, 1.0, hard_beta=False), 1)
    torch_engine.compile_stage([layer], 1)(np.ones((1, 1, 9, 9), "float32"))
    assert settings == [False]


def test_a_device_out_of_memory_fails_the_candidate(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*args: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learning, "compile_stage", compile_with_torch)
    monkeypatch.setattr(torch_engine.functional, "conv2d", exhausted)
    cause = {"kind": "out_of_memory", "reason": "CUDA out of memory"}
    assert test_objective.run(digits)["failure"] == cause
