"""Filterbanks are equal whether maps are kept or recomputed, and memory is bounded."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from hpconv.features import learning
from hpconv.model.layers import Filter
from hpconv.model.pipeline import describe
from tests.unit.features.test_extractor import CASES, IMAGE_SHAPE, MODEL, VECTORS

TWO_LAYERS = max((case for case in CASES if case["ok"]), key=lambda case: len(case["vals"]))


def learned_filters() -> list[np.ndarray]:
    pipeline = describe(TWO_LAYERS["vals"], IMAGE_SHAPE, MODEL)
    extractor = learning.learn(pipeline, VECTORS["unsup"], MODEL)
    layers = [layer for stage in extractor.pipeline.stages for layer in stage]
    return [layer.bank.filters for layer in layers if isinstance(layer, Filter) and layer.bank]


def test_filters_do_not_depend_on_memory_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = learned_filters()
    assert len(expected) == 3
    monkeypatch.setattr(learning, "KEPT_BYTES", 0)
    monkeypatch.setattr(learning, "BLOCK_BYTES", 100_000)
    for actual, kept in zip(learned_filters(), expected, strict=True):
        np.testing.assert_allclose(actual, kept, atol=1e-4 * np.abs(kept).max())


def test_only_images_with_drawn_patches_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning, "KEPT_BYTES", 0)
    seen: list[int] = []
    pipeline = describe(TWO_LAYERS["vals"], IMAGE_SHAPE, MODEL)
    few = replace(MODEL, n_patches=100)
    learning.learn(pipeline, VECTORS["unsup"], few, lambda images, _: seen.append(images))
    assert 0 < sum(seen) < 0.8 * 2 * len(VECTORS["unsup"])  # two filterbanks are whitened


def test_patches_are_never_all_in_memory() -> None:
    images = np.random.default_rng(0).integers(256, size=(400, 3, 32, 32), dtype="uint8")
    filters = describe(TWO_LAYERS["vals"], IMAGE_SHAPE, MODEL).stages[1][0]
    assert isinstance(filters, Filter)
    layer = replace(
        filters, size=8, n_filters=10, recipe=replace(filters.recipe, kind="whitened_patches")
    )
    inputs = learning.StageInputs(images, 100, learning.no_tick)
    model = replace(MODEL, n_patches=500_000)  # 384 MB
    tracemalloc.start()
    learning._learn_bank(layer, inputs, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
