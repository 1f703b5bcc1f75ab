"""Expected result of random search with the same number of trials, for comparison."""

import math
from typing import Any, TypedDict

import numpy as np

from hpconv.trials import Trial, ensemble_error_or_none

QUANTILES = (0.1, 0.5, 0.9)
MAX_POINTS = 200  # of a band


class Band(TypedDict):
    """Quantiles of the lowest error of the first n trials of a random search.

    Each list has one item for each n; None where failures are so likely that there is no error.
    """

    n: list[int]
    low: list[float | None]
    median: list[float | None]
    high: list[float | None]
    drawn: int  # number of random trials from which the band is computed


def band(drawn: list[Trial], count: int) -> Band | None:
    """The 0.1, 0.5 and 0.9 quantiles of the lowest error of the first n trials of random search.

    The best of n draws exceeds x with probability ``(1 - F(x))^n`` (David and Nagaraja, *Order
    Statistics*, section 2.1), F being the distribution of a draw's error, here that of the drawn
    trials, with replacement (as Dodge et al., *Show Your Work*, EMNLP 2019). So its q quantile is
    the k-th least of m errors, ``k = ceil(m (1 - (1 - q)^(1 / n)))``.

    Args:
        drawn: all trials whose hyperparameters were drawn at random, failures included.
        count: largest n.

    Returns:
        None when no drawn trial succeeded.
    """
    found = [ensemble_error_or_none(trial) for trial in drawn]
    errors = np.sort([math.inf if error is None else error for error in found])
    if not len(errors) or errors[0] == math.inf:
        return None
    n = np.arange(1, count + 1)
    if count > MAX_POINTS:
        n = np.unique(np.geomspace(1, count, MAX_POINTS).round().astype(int))
    low, median, high = (_quantile(errors, q, n) for q in QUANTILES)
    return {"n": n.tolist(), "low": low, "median": median, "high": high, "drawn": len(errors)}


def _quantile(errors: np.ndarray, q: float, n: np.ndarray) -> list[float | None]:
    share = -np.expm1(np.log1p(-q) / n)
    place = np.ceil(len(errors) * share - 1e-9).astype(int) - 1  # 1e-9: rounding of whole products
    return [value if value < math.inf else None for value in errors[place].tolist()]


def random_trials(history: list[Trial], search: dict[str, Any] | None) -> list[Trial]:
    """The trials whose hyperparameters were drawn at random.

    Args:
        search: settings of the search, for histories that do not record how trials were drawn.
    """
    if any("source" in trial["misc"] for trial in history):
        return [trial for trial in history if trial["misc"].get("source") == "random"]
    if search is None:
        return []
    return history if search["algorithm"] == "random" else history[: search["startup_trials"]]
