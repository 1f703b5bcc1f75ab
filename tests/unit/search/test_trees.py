"""Randomised trees, against scikit-learn's and by their definition."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from hpconv.search.trees import MIN_LEAF, TRIED, Trees, fit

RNG = np.random.default_rng(0)


def features(count: int) -> np.ndarray:
    """The last two columns carry no information: a constant, and noise."""
    columns = RNG.random((count, 6), np.float32)
    columns[:, 4] = 0.5
    return columns


def target(x: np.ndarray) -> np.ndarray:
    return 3 * x[:, 0] + np.sin(6 * x[:, 1]) + 2 * (x[:, 2] > 0.5) * x[:, 3]


KNOWN, NEW = features(300), features(400)


def test_predictions_are_as_good_as_those_of_scikit_learn() -> None:
    y = target(KNOWN) + RNG.normal(0, 0.3, len(KNOWN))
    theirs = ExtraTreesRegressor(50, min_samples_leaf=MIN_LEAF, max_features=TRIED, random_state=0)
    predictions = (
        fit(KNOWN, y, 50, seed=0).predict(NEW).mean(axis=0),
        theirs.fit(KNOWN, y).predict(NEW),
    )
    ours, other = (np.mean((target(NEW) - predicted) ** 2) for predicted in predictions)
    assert ours < 1.2 * other < 0.5 * target(NEW).var()


def leaves(trees: Trees, x: np.ndarray) -> np.ndarray:
    """The leaf of each row ``(n_trees, n)``, walked by hand."""
    found = np.zeros((len(trees.feature), len(x)), int)
    for tree, row in np.ndindex(found.shape):
        node = 0
        while (column := trees.feature[tree, node]) >= 0:
            node = trees.left[tree, node] + (x[row, column] > trees.threshold[tree, node])
        found[tree, row] = node
    return found


def test_a_leaf_predicts_the_mean_of_its_rows() -> None:
    y = target(KNOWN)
    trees = fit(KNOWN, y, 3, seed=0)
    predicted = trees.predict(KNOWN)
    for tree, reached in enumerate(leaves(trees, KNOWN)):
        for leaf in np.unique(reached):
            rows = reached == leaf
            assert rows.sum() >= MIN_LEAF
            assert predicted[tree, rows] == pytest.approx(y[rows].mean())


def test_trees_differ_and_repeat_with_their_seed() -> None:
    y = target(KNOWN)
    first, again, other = (fit(KNOWN, y, 3, seed).predict(NEW) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("count", [1, 2, 50])
def test_without_information_the_mean_is_predicted(count: int) -> None:
    x, y = np.full((count, 3), 0.5, np.float32), RNG.random(count)
    np.testing.assert_allclose(fit(x, y, 2, seed=0).predict(x), y.mean())
