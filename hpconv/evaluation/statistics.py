"""What test examples say of a chosen model: its error, how sure that is, and its confusions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from hpconv.datasets.protocols import Outcome

CONFIDENCE = 0.95


def summarise(runs: Sequence[Sequence[Outcome]]) -> dict[str, Any]:
    """What is to be told of outcomes, by retrain seed and fold.

    Returns:
        ``test_error``, the mean over seeds and folds (hyperopt's ``true_loss``);
        ``test_errors``, all of them, seed by seed; ``interval``, the 95 % one of test_error;
        ``standard_error`` over folds and ``seed_deviation``, the standard deviation over seeds,
        each None where there is one; and ``confusion``, counts by true class (row) and
        predicted class (column), summed over seeds and folds.
    """
    errors = np.array([[outcome.error for outcome in folds] for folds in runs])
    by_seed, by_fold = errors.mean(axis=1), errors.mean(axis=0)
    return {
        "test_error": float(errors.mean()),
        "interval": interval(by_fold, len(runs[0][0].labels)),
        "standard_error": _standard_error(by_fold) if len(by_fold) > 1 else None,
        "seed_deviation": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        "test_errors": errors.ravel().tolist(),
        "confusion": np.sum([_confusion(each) for run in runs for each in run], axis=0).tolist(),
    }


def interval(errors: np.ndarray, n_examples: int) -> list[float]:
    """The 95 % interval of an error rate, from that of each fold.

    Of one fold it is Wilson's (1927) for n_examples independent test examples; of several,
    Student's t over the folds.
    """
    quantile = (1 + CONFIDENCE) / 2
    if len(errors) > 1:
        half = stats.t.ppf(quantile, len(errors) - 1) * _standard_error(errors)
        centre = errors.mean()
    else:
        z2, error = stats.norm.ppf(quantile) ** 2, errors[0]
        centre = (error + z2 / (2 * n_examples)) / (1 + z2 / n_examples)
        inner = z2 * (error * (1 - error) + z2 / (4 * n_examples)) / n_examples
        half = np.sqrt(inner) / (1 + z2 / n_examples)
    return [max(0.0, float(centre - half)), min(1.0, float(centre + half))]


def format_error(told: dict[str, Any]) -> str:
    """An error rate with its interval, for a line of a log."""
    low, high = told["interval"]
    return f"{told['test_error']:.2%} ({low:.2%} to {high:.2%})"


def _standard_error(errors: np.ndarray) -> float:
    return float(errors.std(ddof=1) / np.sqrt(len(errors)))


def _confusion(outcome: Outcome) -> np.ndarray:
    counts = np.zeros((outcome.n_classes, outcome.n_classes), int)
    np.add.at(counts, (outcome.labels, outcome.predictions), 1)
    return counts
