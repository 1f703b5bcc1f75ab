"""Test-set statistics: error rate, confidence interval, confusion matrix."""

from collections.abc import Sequence

import numpy as np
from scipy import stats
from sklearn.metrics import confusion_matrix

from hpconv.datasets.protocols import Outcome
from hpconv.evaluation.records import TestStatistics

CONFIDENCE = 0.95


def summarise(runs: Sequence[Sequence[Outcome]]) -> TestStatistics:
    """Summarise the outcomes of all retraining seeds (outer sequence) and folds (inner)."""
    errors = np.array([[outcome.error for outcome in folds] for folds in runs])
    by_seed, by_fold = errors.mean(axis=1), errors.mean(axis=0)
    return {
        "test_error": float(errors.mean()),
        "interval": interval(by_fold, len(runs[0][0].labels)),
        "standard_error": float(stats.sem(by_fold)) if len(by_fold) > 1 else None,
        "seed_deviation": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        "test_errors": errors.ravel().tolist(),
        "confusion": _confusion([outcome for folds in runs for outcome in folds]),
    }


def interval(errors: np.ndarray, n_examples: int) -> list[float]:
    """The 95 % confidence interval of an error rate, within [0, 1].

    With one fold it is Wilson's score interval (1927) for n_examples independent test examples,
    of which a whole number is wrong; with several, Student's t over the folds.

    Args:
        errors: ``(folds,)``, each a mean over seeds.
    """
    if len(errors) > 1:
        bounds = stats.t.interval(CONFIDENCE, len(errors) - 1)  # scaled here: equal folds give 0
        low, high = errors.mean() + stats.sem(errors) * np.array(bounds)
    else:
        wrong = round(errors[0] * n_examples)
        low, high = stats.binomtest(wrong, n_examples).proportion_ci(CONFIDENCE, method="wilson")
    return [max(0.0, float(low)), min(1.0, float(high))]


def format_error(statistics: TestStatistics) -> str:
    """An error rate with its interval, for a log line."""
    low, high = statistics["interval"]
    return f"{statistics['test_error']:.2%} ({low:.2%} to {high:.2%})"


def _confusion(outcomes: Sequence[Outcome]) -> list[list[int]]:
    labels = np.concatenate([outcome.labels for outcome in outcomes])
    predictions = np.concatenate([outcome.predictions for outcome in outcomes])
    classes = np.arange(outcomes[0].n_classes)
    return confusion_matrix(labels, predictions, labels=classes).tolist()
