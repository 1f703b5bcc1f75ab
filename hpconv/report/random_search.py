"""What random search would have found: a band to hold a search's progress against."""

import math
from typing import Any

import numpy as np

from hpconv.trials import Trial, ensemble_error_or_none

QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}
MAX_POINTS = 200  # numbers of trials for which the band is told


def band(drawn: list[Trial], count: int) -> dict[str, Any] | None:
    """Quantiles of the best error among the first n trials of a random search.

    The best of n draws exceeds x with probability ``(1 - F(x))^n`` (David and Nagaraja, *Order
    Statistics*, section 2.1), F being the distribution of a draw's error, here that of the drawn
    trials, with replacement (as Dodge et al., *Show Your Work*, EMNLP 2019). So its q quantile is
    the k-th least of m errors, ``k = ceil(m (1 - (1 - q)^(1 / n)))``.

    Args:
        drawn: trials whose hyperparameters were drawn at random; a failure is a draw, too.
        count: of trials up to which the band goes.

    Returns:
        ``n``, for each ``low``, ``median`` and ``high`` (None as long as failures are so likely
        that there is no best), and ``drawn``, m; None when no draw has an error.
    """
    found = [ensemble_error_or_none(trial) for trial in drawn]
    errors = sorted(math.inf if error is None else error for error in found)
    if not errors or errors[0] == math.inf:
        return None
    n = np.arange(1, count + 1)
    if count > MAX_POINTS:
        n = np.unique(np.geomspace(1, count, MAX_POINTS).round().astype(int))
    bounds = {name: _quantile(np.array(errors), q, n) for name, q in QUANTILES.items()}
    return {"n": n.tolist(), **bounds, "drawn": len(errors)}


def _quantile(errors: np.ndarray, q: float, n: np.ndarray) -> list[float | None]:
    share = -np.expm1(np.log1p(-q) / n)
    place = np.ceil(len(errors) * share - 1e-9).astype(int) - 1  # a product that is whole stays so
    return [value if value < math.inf else None for value in errors[place].tolist()]


def random_trials(history: list[Trial], search: dict[str, Any] | None) -> list[Trial]:
    """The trials whose hyperparameters were drawn at random.

    Args:
        search: the settings of the search, for a history that does not say how each was drawn.
    """
    if any("source" in trial["misc"] for trial in history):
        return [trial for trial in history if trial["misc"].get("source") == "random"]
    if search is None:
        return []
    return history if search["algorithm"] == "random" else history[: search["startup_trials"]]
