"""Whole pipelines against reference features of the published system."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpconv.config import ModelSettings
from hpconv.errors import CandidateError
from hpconv.features.learning import learn
from hpconv.model.pipeline import describe

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = json.loads((FIXTURES / "pipeline_vectors.json").read_text())
VECTORS = np.load(FIXTURES / "pipeline_vectors.npz")
MODEL = ModelSettings(
    output_sizes=(32, 64),
    max_layer_sizes=(64, 128),
    n_patches=5000,
    max_n_features=2000,
    max_row_elements=500_000,
    n_unsupervised=100,
    batch_size=20,
)
IMAGE_SHAPE = (3, 32, 32)
KINDS = {5: "map_too_small", 15: "no_filters", 19: "no_filters"}


@pytest.mark.parametrize("case", [c for c in CASES if c["ok"]], ids=lambda c: str(c["case"]))
def test_features_equal_the_reference(case: dict[str, Any]) -> None:
    pipeline = describe(case["vals"], IMAGE_SHAPE, MODEL)
    features = learn(pipeline, VECTORS["unsup"], MODEL).transform(VECTORS["test"])
    assert list(features.shape) == case["shape"]
    assert vars(pipeline.classifier) == case["exit"]
    actual = features.reshape(len(features), -1)[:, :: case["stride"]]
    expected = VECTORS[f"f{case['case']}"]
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error < 1e-3


@pytest.mark.parametrize("case", [c for c in CASES if not c["ok"]], ids=lambda c: str(c["case"]))
def test_candidates_rejected_by_the_reference_are_rejected(case: dict[str, Any]) -> None:
    with pytest.raises(CandidateError) as refusal:
        describe(case["vals"], IMAGE_SHAPE, MODEL)
    assert refusal.value.kind == KINDS[case["case"]]
