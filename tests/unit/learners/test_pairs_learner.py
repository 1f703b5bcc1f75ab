"""Pairs of digits: the same digit or not, by a kernel SVM over comparisons of their pixels."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits

from hpconv.datasets.protocols import Task, error_rate
from hpconv.errors import CandidateError
from hpconv.learners.pair_kernels import COMPARISONS, PairKernel
from hpconv.learners.pairs import PairClassifier
from hpconv.learners.scaling import Scaler
from hpconv.model.pipeline import ClassifierSettings

SETTINGS = ClassifierSettings(l2_reg=1e-3, varthresh=1e-4, remove_std0=True, divrowl2=False)
PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS = PIXELS.astype("float32")
ROWS = np.arange(100, 100 + len(PIXELS))  # rows of the digits in a data file
THIRDS = ((0, 900), (900, 1350), (1350, len(PIXELS)))  # no image is in two tasks


def pairs_of_digits(name: str, low: int, high: int, count: int, seed: int = 0) -> Task:
    """As many pairs of the same digit as of different ones."""
    drawn = np.random.default_rng(seed).integers(low, high, (20 * count, 2))
    same = DIGITS[drawn[:, 0]] == DIGITS[drawn[:, 1]]
    chosen = np.concatenate(
        [np.flatnonzero(same)[: count // 2], np.flatnonzero(~same)[: count // 2]]
    )
    return Task(name, ROWS[drawn[chosen]], same[chosen].astype(int))


TRAIN, VALIDATION, TEST = (
    pairs_of_digits(name, *third, count)
    for name, third, count in zip(
        ("train", "validation", "test"), THIRDS, (600, 300, 300), strict=True
    )
)


def swapped(task: Task) -> Task:
    return Task(task.name, task.rows[:, ::-1], task.labels)


def error(classifier: PairClassifier, task: Task) -> float:
    return error_rate(classifier.predict(task), task.labels)


@pytest.fixture(scope="module")
def fitted() -> PairClassifier:
    """A classifier whose weights and C were chosen on the validation pairs."""
    classifier = PairClassifier(PIXELS, ROWS, SETTINGS)
    classifier.fit(TRAIN, VALIDATION)
    return classifier


def single(comparison: str, c: float) -> PairClassifier:
    """A classifier on a single comparison."""
    weights = {name: float(name == comparison) for name in COMPARISONS}
    classifier = PairClassifier(PIXELS, ROWS, SETTINGS, chosen={"c": c, "weights": weights})
    classifier.fit(TRAIN)
    return classifier


def test_unseen_pairs_are_classified(fitted: PairClassifier) -> None:
    assert error(fitted, VALIDATION) < 0.2
    assert error(fitted, TEST) < 0.3


def test_a_mixture_is_no_worse_than_any_single_comparison(fitted: PairClassifier) -> None:
    singles = [error(single(name, c), VALIDATION) for name in COMPARISONS for c in (0.01, 1.0)]
    assert error(fitted, VALIDATION) <= min(singles)


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("divrowl2", [False, True])
def test_kernels_are_products_of_scaled_comparisons(
    monkeypatch: pytest.MonkeyPatch, comparison: str, divrowl2: bool
) -> None:
    monkeypatch.setattr("hpconv.learners.pair_kernels.BLOCK_BYTES", 10_000)  # some 40 pairs
    settings = ClassifierSettings(1e-3, 1e-4, remove_std0=True, divrowl2=divrowl2)
    train, test = TRAIN.rows[:150] - ROWS[0], TEST.rows[:70] - ROWS[0]
    compare = COMPARISONS[comparison]
    raw = [compare(PIXELS[pairs[:, 0]], PIXELS[pairs[:, 1]]) for pairs in (train, test)]
    scaled, tested = map(Scaler.fit(raw[0], settings), raw)
    mean_square = np.mean((scaled.astype("float64") ** 2).sum(axis=1))
    kernel = PairKernel.fit(PIXELS, comparison, train, settings)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(kernel.gram(train), scaled @ scaled.T / mean_square, **close)
    np.testing.assert_allclose(
        kernel.cross_gram(test, train), tested @ scaled.T / mean_square, **close
    )
    weights = np.random.default_rng(0).normal(size=len(train))
    scores = kernel.project(test, kernel.primal_weights(train, weights))
    np.testing.assert_allclose(
        scores, tested @ scaled.T / mean_square @ weights, rtol=1e-3, atol=1e-3
    )


def test_comparisons_are_the_published_ones() -> None:
    x, y = np.array([3.0, 1.0]), np.array([-1.0, 2.0])
    found = {name: compare(x, y).tolist() for name, compare in COMPARISONS.items()}
    root = pytest.approx([2.0, 1.0])
    assert found == {"mult": [-3, 2], "absdiff": [4, 1], "sqrtabsdiff": root, "sqdiff": [16, 1]}


def test_only_training_pairs_determine_the_scaling(fitted: PairClassifier) -> None:
    changed = PIXELS.copy()
    changed[900:1350] *= 100
    changed[1350:] = 7
    for chosen in (None, fitted.chosen):
        classifiers = [PairClassifier(f, ROWS, SETTINGS, chosen=chosen) for f in (PIXELS, changed)]
        for classifier in classifiers:
            classifier.fit(TRAIN)
        plain, other = (classifier.scores(TRAIN) for classifier in classifiers)
        np.testing.assert_array_equal(plain, other)


def test_a_choice_survives_json_and_refitting(fitted: PairClassifier) -> None:
    chosen = json.loads(json.dumps(fitted.chosen, allow_nan=False))
    again = PairClassifier(PIXELS, ROWS, SETTINGS, chosen=chosen)
    again.fit(TRAIN)
    assert again.chosen == fitted.chosen
    np.testing.assert_allclose(again.scores(TEST), fitted.scores(TEST), rtol=1e-6)


def test_without_validation_all_comparisons_have_equal_weights() -> None:
    classifier = PairClassifier(PIXELS, ROWS, SETTINGS)
    classifier.fit(TRAIN)
    assert classifier.chosen["weights"] == dict.fromkeys(COMPARISONS, 1.0)
    assert error(classifier, TEST) < 0.35


def test_the_order_of_a_pair_does_not_matter(fitted: PairClassifier) -> None:
    np.testing.assert_array_equal(fitted.scores(swapped(TEST)), fitted.scores(TEST))
    other = PairClassifier(PIXELS, ROWS, SETTINGS)
    other.fit(swapped(TRAIN), swapped(VALIDATION))
    assert other.chosen == fitted.chosen
    np.testing.assert_array_equal(other.predict(TEST), fitted.predict(TEST))


def test_features_in_a_file_give_the_scores_of_those_in_memory(
    fitted: PairClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpconv.learners.pair_kernels.BLOCK_BYTES", 20_000)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        features = file.create_dataset("features", data=PIXELS.reshape(-1, 1, 8, 8))
        classifier = PairClassifier(features, ROWS, SETTINGS, chosen=fitted.chosen)
        classifier.fit(TRAIN)
        np.testing.assert_allclose(
            classifier.scores(TEST), fitted.scores(TEST), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (slice(0, 32), slice(32, 64)),  # each knows a half of every image
        (slice(0, 64), slice(0, 8)),  # one adds next to nothing
        (slice(0, 8), slice(0, 64)),
    ],
)
def test_an_ensemble_is_no_worse_than_its_better_member(first: slice, second: slice) -> None:
    one, two = (PairClassifier(PIXELS[:, half], ROWS, SETTINGS) for half in (first, second))
    for classifier in (one, two):
        classifier.fit(TRAIN, VALIDATION)
    both = PairClassifier(PIXELS[:, second], ROWS, SETTINGS, members=[one])
    both.fit(TRAIN, VALIDATION)
    assert error(both, VALIDATION) <= min(error(one, VALIDATION), error(two, VALIDATION))
    three = PairClassifier(PIXELS[:, ::2], ROWS, SETTINGS, members=[one, both])
    three.fit(TRAIN, VALIDATION)
    assert error(three, VALIDATION) <= error(both, VALIDATION)
    again = PairClassifier(PIXELS[:, second], ROWS, SETTINGS, members=[one], chosen=both.chosen)
    again.fit(TRAIN)
    np.testing.assert_array_equal(again.predict(TEST), both.predict(TEST))


def test_constant_features_are_refused() -> None:
    with pytest.raises(CandidateError) as refusal:
        PairClassifier(np.ones_like(PIXELS), ROWS, SETTINGS).fit(TRAIN)
    assert refusal.value.kind == "homogeneous"


def test_features_that_cannot_be_scaled_are_refused() -> None:
    unscalable = ClassifierSettings(1e-3, varthresh=0.0, remove_std0=False, divrowl2=False)
    with np.errstate(all="ignore"), pytest.raises(CandidateError) as refusal:
        PairClassifier(PIXELS, ROWS, unscalable).fit(TRAIN)  # the first pixel is always 0
    assert refusal.value.kind == "non_finite"
