"""Features are scaled by statistics of the training rows, block by block."""

import numpy as np
import pytest

from hpconv.errors import CandidateError
from hpconv.learners.scaling import Scaler
from hpconv.model.pipeline import ClassifierSettings

RNG = np.random.default_rng(0)


def settings(**changes: float | bool) -> ClassifierSettings:
    plain = {"l2_reg": 1e-3, "varthresh": 0.0, "remove_std0": False, "divrowl2": False}
    return ClassifierSettings(**{**plain, **changes})  # type: ignore[arg-type]


def test_training_rows_are_standardised() -> None:
    train = RNG.normal(3, 2, size=(500, 3))
    scaled = Scaler.fit(train, settings())(train)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-6)
    damped = Scaler.fit(train, settings(varthresh=100.0))(train)
    np.testing.assert_allclose(damped.std(axis=0), 2 / np.sqrt(104), rtol=0.1)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_statistics_do_not_depend_on_blocks(offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpconv.learners.feature_matrix.BLOCK_BYTES", 4 * 5 * 37)
    train = RNG.normal(size=(1000, 5)) + offset + np.arange(1000)[:, None] / 100
    train[0] += 50  # an outlier as the origin of the moments
    train = train.astype("float32")
    found = Scaler.fit(train, settings())
    np.testing.assert_allclose(found.mean, train.mean(axis=0, dtype="float64"), rtol=1e-7)
    np.testing.assert_allclose(found.scale, train.std(axis=0, dtype="float64"), rtol=1e-5)


def test_divrowl2_gives_a_mean_row_length_of_one() -> None:
    train = RNG.normal(size=(100, 7))
    scaled = Scaler.fit(train, settings(divrowl2=True))(train)
    assert np.sqrt((scaled**2).sum(axis=1)).mean() == pytest.approx(1, rel=1e-5)


def test_remove_std0_keeps_a_constant_feature_at_zero() -> None:
    train = np.column_stack([RNG.normal(size=20), np.full(20, 0.1)])
    scaled = Scaler.fit(train, settings(remove_std0=True))(train)
    np.testing.assert_array_equal(scaled[:, 1], 0)
    assert scaled[:, 0].std() == pytest.approx(1, rel=1e-5)


def test_constant_features_are_refused() -> None:
    with pytest.raises(CandidateError) as refusal:
        Scaler.fit(np.full((5000, 3), 0.1), settings())
    assert refusal.value.kind == "homogeneous"


def test_a_scale_of_zero_is_refused() -> None:
    train = np.column_stack([RNG.normal(size=20), np.ones(20)])
    with pytest.raises(CandidateError) as refusal:
        Scaler.fit(train, settings())
    assert refusal.value.kind == "non_finite"
