"""The SVM minimises its published objective, over features scaled by training rows only."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from hpconv.candidate import ClassifierSettings
from hpconv.errors import CandidateError
from hpconv.learners import LinearSVM, Scaler

RNG = np.random.default_rng(0)


def settings(**changes: float | bool) -> ClassifierSettings:
    plain = {"l2_reg": 1e-3, "varthresh": 0.0, "remove_std0": False, "divrowl2": False}
    return ClassifierSettings(**{**plain, **changes})  # type: ignore[arg-type]


def test_svm_separates_what_can_be_separated() -> None:
    centres = RNG.normal(size=(5, 20))
    labels = RNG.integers(0, 5, 300)
    features = (centres[labels] + 0.1 * RNG.normal(size=(300, 20))).astype("float32")
    svm = LinearSVM(1e-4).fit(features[:200], labels[:200])
    np.testing.assert_array_equal(svm.predict(features[200:]), labels[200:])


def test_svm_gradient_is_that_of_its_objective() -> None:
    features = RNG.normal(size=(30, 4)).astype("float32")
    signs = np.where(RNG.random((30, 3)) > 0.5, 1.0, -1.0).astype("float32")
    svm, shape = LinearSVM(0.1), (5, 3)
    error = check_grad(
        lambda w: svm._objective(w, features, signs, shape)[0],
        lambda w: svm._objective(w, features, signs, shape)[1],
        RNG.normal(size=15),
        epsilon=1e-3,
    )
    assert error < 1e-2


def test_a_strong_penalty_shrinks_the_weights() -> None:
    features, labels = RNG.normal(size=(50, 4)).astype("float32"), RNG.integers(0, 2, 50)
    weak, strong = (LinearSVM(reg).fit(features, labels).weights for reg in (1e-4, 1e2))
    assert np.abs(strong).max() < 0.01 * np.abs(weak).max()


def test_labels_need_not_count_from_zero() -> None:
    features = np.array([[-1.0], [1.0]], "float32")
    np.testing.assert_array_equal(
        LinearSVM(1e-3).fit(features, np.array([3, 7])).predict(features), [3, 7]
    )


def test_scaling_is_of_the_training_rows() -> None:
    train = RNG.normal(3, 2, size=(500, 3))
    scaled = Scaler.fit(train, settings())(train)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-6)
    damped = Scaler.fit(train, settings(varthresh=100.0))(train)
    np.testing.assert_allclose(damped.std(axis=0), 2 / np.sqrt(104), rtol=0.1)


def test_divrowl2_gives_rows_of_length_one_on_average() -> None:
    train = RNG.normal(size=(100, 7))
    scaled = Scaler.fit(train, settings(divrowl2=True))(train)
    assert np.sqrt((scaled**2).sum(axis=1)).mean() == pytest.approx(1, rel=1e-5)


def test_remove_std0_keeps_a_constant_feature_finite() -> None:
    train = np.column_stack([RNG.normal(size=20), np.ones(20)])
    assert np.isfinite(Scaler.fit(train, settings(remove_std0=True))(train)).all()


def test_features_that_never_differ_are_refused() -> None:
    with pytest.raises(CandidateError) as refusal:
        Scaler.fit(np.ones((5, 3)), settings())
    assert refusal.value.kind == "homogeneous"
