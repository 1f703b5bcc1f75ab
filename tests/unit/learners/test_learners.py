"""The SVM minimises its published objective, alone and as a member of an ensemble."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from hpconv.datasets.protocols import Task
from hpconv.learners.ensemble_member import StoredMember, pack_member
from hpconv.learners.feature_matrix import FeatureRows
from hpconv.learners.linear import FeatureClassifier, LinearSVM
from hpconv.learners.smoothed_hinge import Problem
from hpconv.model.pipeline import ClassifierSettings

RNG = np.random.default_rng(0)
SETTINGS = ClassifierSettings(l2_reg=1e-3, varthresh=1e-4, remove_std0=True, divrowl2=False)


def clouds(n: int, n_classes: int = 3, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Classes that overlap, with features of very different scales."""
    centres = np.random.default_rng(1).normal(size=(n_classes, width))
    labels = RNG.integers(0, n_classes, n)
    features = centres[labels] + RNG.normal(size=(n, width))
    return (features * np.logspace(0, 1, width)).astype("float32"), labels


def objective(
    svm: LinearSVM,
    features: np.ndarray,
    labels: np.ndarray,
    member_scores: np.ndarray | None = None,
    penalties: np.ndarray | float = 0.0,
) -> float:
    """The published formula, in double precision."""
    signs = np.where(labels[:, None] == svm.classes, 1.0, -1.0)
    slack = 10 * (0.9 - signs * svm.decision_function(features, member_scores).astype("float64"))
    loss = np.logaddexp(0, slack).sum() / (10 * len(labels))
    penalty = svm.l2_reg * np.square(svm.weights, dtype="float64").sum()
    return float(loss + (penalty + (penalties * svm.member_weights**2).sum()) / 2)


def problem(n_members: int) -> Problem:
    features = RNG.normal(size=(30, 4)).astype("float32")
    signs = np.where(RNG.random((3, 30)) > 0.5, 1.0, -1.0).astype("float32")
    member_scores = RNG.normal(size=(n_members, 3, 30)).astype("float32")
    ridge = RNG.uniform(0.1, 1, size=(3, 5 + n_members)).astype("float32")
    return Problem(FeatureRows(features), signs, member_scores, ridge)


def test_svm_separates_separable_classes() -> None:
    centres = RNG.normal(size=(5, 20))
    labels = RNG.integers(0, 5, 300)
    features = (centres[labels] + 0.1 * RNG.normal(size=(300, 20))).astype("float32")
    svm = LinearSVM(1e-4).fit(features[:200], labels[:200])
    np.testing.assert_array_equal(svm.predict(features[200:]), labels[200:])


@pytest.mark.parametrize("n_members", [0, 2])
def test_gradient_matches_finite_differences(n_members: int) -> None:
    of, shape = problem(n_members), (3, 5 + n_members)

    def value(flat: np.ndarray) -> float:
        parameters = flat.reshape(shape).astype("float32")
        return float(of.losses(of.margins(parameters), parameters).sum())

    def slope(flat: np.ndarray) -> np.ndarray:
        parameters = flat.reshape(shape).astype("float32")
        return of.gradient(of.margins(parameters), parameters).ravel()

    assert check_grad(value, slope, RNG.normal(size=np.prod(shape)), epsilon=1e-2) < 2e-2


def test_well_classified_examples_make_no_subnormal_products() -> None:
    features = 1e-3 * np.eye(100, dtype="float32")
    ones, margins = np.ones((1, 100), "float32"), np.full((1, 100), 50, "float32")
    ridge = np.zeros((1, 101), "float32")
    members = np.zeros((0, 1, 100), "float32")
    gradient = Problem(FeatureRows(features), ones, members, ridge).gradient(margins, ridge)
    assert (np.abs(gradient) >= np.finfo("float32").tiny).all()  # subnormal arithmetic is slow
    assert (np.abs(gradient) < 1e-15).all()


@pytest.mark.parametrize("l2_reg", [1e-5, 1e-2])
def test_no_optimiser_finds_a_lower_objective(l2_reg: float) -> None:
    features, labels = clouds(400)
    svm = LinearSVM(l2_reg).fit(features, labels)

    def value(flat: np.ndarray) -> float:
        other = LinearSVM(l2_reg)
        other.classes, other.member_weights = svm.classes, svm.member_weights
        other.weights, other.bias = np.split(flat.reshape(13, 3), [12])
        return objective(other, features, labels)

    start = np.vstack([svm.weights, svm.bias]).ravel().astype("float64")
    found = minimize(value, start, method="L-BFGS-B", options={"maxfun": 20_000})
    assert objective(svm, features, labels) <= found.fun * 1.001


def test_svm_is_optimal_with_more_features_than_examples() -> None:
    features, labels = clouds(60, width=500)
    svm = LinearSVM(1e-2).fit(features, labels)
    signs = np.where(labels[:, None] == svm.classes, 1.0, -1.0)
    violation = 1 / (1 + np.exp(10 * (signs * svm.decision_function(features) - 0.9)))
    slope = features.T @ (-signs * violation / len(labels))
    np.testing.assert_allclose(svm.weights, -slope / 1e-2, atol=0.05 * np.abs(svm.weights).max())


def test_correlated_features_are_fitted_to_convergence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, labels = clouds(500, width=40)
    features = np.abs(features @ RNG.uniform(size=(40, 200)).astype("float32"))
    features /= features.std(axis=0)
    found = objective(LinearSVM(1e-4).fit(features, labels), features, labels)
    monkeypatch.setattr("hpconv.learners.smoothed_hinge.TOLERANCE", 0)
    monkeypatch.setattr("hpconv.learners.smoothed_hinge.MAX_ITERATIONS", 1000)
    assert found <= 1.001 * objective(LinearSVM(1e-4).fit(features, labels), features, labels)


def test_a_fit_repeats_exactly() -> None:
    features, labels = clouds(300)
    first, second = (LinearSVM(1e-4).fit(features, labels).weights for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_strong_penalty_shrinks_the_weights() -> None:
    features, labels = RNG.normal(size=(50, 4)).astype("float32"), RNG.integers(0, 2, 50)
    weak, strong = (LinearSVM(reg).fit(features, labels).weights for reg in (1e-4, 1e2))
    assert np.abs(strong).max() < 0.01 * np.abs(weak).max()


def test_labels_need_not_count_from_zero() -> None:
    features = np.array([[-1.0], [1.0]], "float32")
    np.testing.assert_array_equal(
        LinearSVM(1e-3).fit(features, np.array([3, 7])).predict(features), [3, 7]
    )


@pytest.mark.parametrize("iterations", [0, 1, 300])
def test_extending_an_ensemble_lowers_its_training_objective(
    iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = clouds(300)
    member = LinearSVM(1e-2).fit(features[:, :6], labels)
    member_scores = member.scores(features[:, :6])[None]
    penalties = 1e-2 * (member.weights**2).sum(axis=0)[None]
    alone = LinearSVM(1e-2)
    alone.classes, alone.weights, alone.bias = member.classes, np.zeros((6, 3)), np.zeros(3)
    alone.member_weights = np.ones((1, 3))
    rest = np.ascontiguousarray(features[:, 6:])
    monkeypatch.setattr("hpconv.learners.smoothed_hinge.MAX_ITERATIONS", iterations)
    joined = LinearSVM(1e-2).fit(rest, labels, member_scores, penalties)
    continued = objective(joined, rest, labels, member_scores, penalties)
    ensemble = objective(alone, rest, labels, member_scores, penalties)
    assert continued <= ensemble * (1.0 if iterations < 2 else 0.98) + 1e-6


def test_uninformative_features_leave_a_member_its_weight() -> None:
    features, labels = clouds(400)
    member = LinearSVM(1e-3).fit(features, labels)
    penalties = 1e-3 * (member.weights**2).sum(axis=0)[None]
    zeros = np.zeros((400, 2), "float32")
    joined = LinearSVM(1e-3).fit(zeros, labels, member.scores(features)[None], penalties)
    np.testing.assert_allclose(joined.member_weights, 1, atol=0.05)
    np.testing.assert_allclose(joined.bias, member.bias, atol=0.05)


def test_a_member_with_zero_scores_changes_nothing() -> None:
    features, labels = clouds(200)
    plain = LinearSVM(1e-3).fit(features, labels)
    joined = LinearSVM(1e-3).fit(features, labels, np.zeros((1, 200, 3)), np.zeros((1, 3)))
    np.testing.assert_allclose(joined.weights, plain.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kept_bytes", [0, 2**30])
def test_features_in_a_file_give_the_scores_of_those_in_memory(
    kept_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpconv.learners.feature_matrix.BLOCK_BYTES", 4 * 12 * 70)
    features, labels = clouds(400)
    train = Task("train", np.sort(RNG.permutation(400)[:250]), labels)
    train = Task("train", train.rows, labels[train.rows])
    test = Task("test", np.arange(0, 400, 9), labels[::9])
    in_memory = FeatureClassifier(features, np.arange(400), SETTINGS)
    in_memory.fit(train)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features.reshape(400, 3, 2, 2)
        in_file = FeatureClassifier(
            file["features"], np.arange(400), SETTINGS, kept_bytes=kept_bytes
        )
        in_file.fit(train)
        scores = in_file.scores(test)
    np.testing.assert_allclose(scores, in_memory.scores(test), rtol=0.02, atol=0.02)


def test_rows_of_a_file_are_read_in_any_order(tmp_path: Path) -> None:
    features = RNG.normal(size=(100, 2, 3)).astype("float32")
    numbers = np.array([90, 3, 41, 3])
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features
        found = FeatureRows(file["features"], numbers).matmul(np.eye(6, dtype="float32"))
    np.testing.assert_array_equal(found.T, features.reshape(100, 6)[numbers])


def test_scores_of_an_image_are_the_means_of_those_of_its_views() -> None:
    features, labels = clouds(60)
    views = np.concatenate([features, features[::-1]])
    algorithm = FeatureClassifier(views, np.arange(60), SETTINGS)
    algorithm.fit(Task("train", np.arange(40), labels[:40]))
    places = np.array([*range(40), *range(60, 100)])  # of both views
    twice = FeatureClassifier(views, np.arange(120), SETTINGS)
    twice.fit(Task("train", places, np.tile(labels[:40], 2)))
    tested = Task("test", np.arange(40, 60), labels[40:])
    both = Task("both", np.array([*range(40, 60), *range(100, 120)]), np.tile(labels[40:], 2))
    expected = twice.decision_function(both).reshape(2, 20, -1).mean(axis=0)
    np.testing.assert_array_equal(algorithm.decision_function(tested), expected)


def test_a_classifier_extends_a_stored_member() -> None:
    features, labels = clouds(300)
    task = Task("train", np.arange(300), labels)
    first = FeatureClassifier(features[:, :6], task.rows, SETTINGS)
    first.fit(task)
    kept = StoredMember(pack_member(first, (task,)))
    second = FeatureClassifier(features[:, 6:], task.rows, SETTINGS, members=[kept])
    second.fit(task)
    errors = [np.mean(each.predict(task) != labels) for each in (first, second)]
    assert errors[1] < errors[0]
