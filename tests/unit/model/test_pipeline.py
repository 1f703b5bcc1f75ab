"""Pipelines: predicted shapes, and refusal of candidates that cannot be used."""

from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, rand
from hyperopt.base import Domain

from hpconv.config import ModelSettings
from hpconv.errors import CandidateError
from hpconv.features.learning import learn
from hpconv.model.pipeline import describe
from hpconv.model.space import search_space
from tests.unit.objective.test_objective import CANDIDATE

MODEL = ModelSettings(
    output_sizes=(20, 28),
    max_layer_sizes=(32, 32),
    n_patches=500,
    max_n_features=400,
    max_row_elements=50_000,
    n_unsupervised=20,
    batch_size=7,
)
DOMAIN = Domain(lambda assignment: 0.0, search_space(MODEL.output_sizes, MODEL.max_layer_sizes))
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 1, 14, 14), dtype="uint8")


def draw(seed: int) -> dict[str, Any]:
    (trial,) = rand.suggest([seed], DOMAIN, Trials(), seed)
    return {label: values[0] for label, values in trial["misc"]["vals"].items() if values}


@pytest.mark.parametrize("seed", range(40))
def test_random_candidate_has_predicted_shape_or_is_refused(seed: int) -> None:
    try:
        pipeline = describe(draw(seed), IMAGES.shape[1:], MODEL)
        features = learn(pipeline, IMAGES, MODEL).transform(IMAGES)
    except CandidateError:
        return  # any other exception fails the test
    assert features.shape == (len(IMAGES), *[shape for _, shape in pipeline.shapes()][-1])
    assert features[0].size <= MODEL.max_row_elements
    assert np.isfinite(features).all()


def test_features_do_not_depend_on_the_batch_size() -> None:
    assignment = next(a for a in map(draw, range(99)) if _is_buildable(a))
    pipeline = describe(assignment, IMAGES.shape[1:], MODEL)
    extractor = learn(pipeline, IMAGES, MODEL)
    single = np.concatenate([extractor.transform(IMAGES[i : i + 1]) for i in range(len(IMAGES))])
    np.testing.assert_allclose(extractor.transform(IMAGES), single, rtol=1e-4, atol=1e-6)


def _is_buildable(assignment: dict[str, Any]) -> bool:
    try:
        describe(assignment, IMAGES.shape[1:], MODEL)
    except CandidateError:
        return False
    return True


def resized(**changes: Any) -> dict[str, Any]:
    """Candidate with grid pooling of whitened patches, without stacked layers."""
    return CANDIDATE | changes


def test_warp_with_too_much_background_is_refused() -> None:
    affine = {"warp_rot": 0.3, "warp_shear": 0.3, "warp_scale_h": 0.8, "warp_scale_v": 0.8}
    shifted = resized(warp=1, **affine, warp_trans_h=-0.2, warp_trans_v=0.2)
    with pytest.raises(CandidateError) as refusal:
        describe(shifted, (1, 14, 14), MODEL)
    assert refusal.value.kind == "warp_background"


def test_stage_with_too_many_outputs_is_refused() -> None:
    small = ModelSettings(**{**vars(MODEL), "max_row_elements": 100})
    with pytest.raises(CandidateError) as refusal:
        describe(resized(), (1, 14, 14), small)
    assert refusal.value.kind == "too_many_features"


def test_overflowing_features_are_refused() -> None:
    pipeline = describe(resized(l0eg_order=2, l0eg_order_real=0.005), (1, 14, 14), MODEL)
    with pytest.raises(CandidateError) as refusal:
        learn(pipeline, IMAGES, MODEL).transform(IMAGES)
    assert refusal.value.kind == "non_finite"
