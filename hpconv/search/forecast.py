"""Forecast of a search from the costs of a few random candidates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy import stats

from hpconv.config import Config
from hpconv.search.trial_costs import TrialCost

HIGH = 0.95  # quantile
CONFIDENCE = 0.95
HEADROOM = 1.5  # of a recommended limit over measured memory, which predictions exceed
STEP_MB = 256  # to which recommended memory is rounded up
FLOAT = 4  # bytes


class Spread(NamedTuple):
    """Of a quantity over the candidates."""

    median: float
    high: float  # 95 % quantile


class Estimate(NamedTuple):
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a search will cost.

    Attributes:
        candidates: number of candidates from which the rest is computed.
        seconds: of a trial.
        peak_mb: memory of a trial in MiB.
        refused: share of the suggestions that sizes, warp or memory refuse before a trial.
        refusals, failures: number of suggestions, and of candidates, by kind.
        worker_hours: for all trials, together.
        cache_bytes: features of all winners, if they have as many as 95 % of the candidates.
        trial_memory_mb: a sufficient ``search.trial_memory_mb``, at most the configured one.
    """

    candidates: int
    seconds: Spread
    peak_mb: Spread
    refused: float
    refusals: dict[str, int]
    failures: dict[str, int]
    worker_hours: Estimate
    cache_bytes: int
    trial_memory_mb: int


def forecast(
    settings: Config, costs: Sequence[TrialCost], refusals: Counter[str], images: int
) -> Forecast:
    """The forecast of a search.

    A search of n trials takes n times the mean seconds of a candidate. Its interval is Student's t
    for that mean. Later trials are not random: they may take longer or shorter.

    Args:
        costs: of random candidates.
        refusals: of suggestions that were drawn again for them.
        images: number of images in the data file, of which winners have features.
    """
    seconds, peaks = _spread([c.seconds for c in costs]), _spread([c.peak_mb for c in costs])
    widths = [cost.features for cost in costs if cost.features is not None]
    share = refusals.total() / (refusals.total() + len(costs))
    evaluated = settings.search.max_evals * (1.0 if settings.search.redraw else 1 - share)
    cached = _feature_sets(settings) * images * FLOAT * (_spread(widths).high if widths else 0)
    enough_mb = STEP_MB * ceil(HEADROOM * peaks.high / STEP_MB)
    return Forecast(
        candidates=len(costs),
        seconds=seconds,
        peak_mb=peaks,
        refused=share,
        refusals=dict(refusals.most_common()),
        failures=dict(Counter(cost.failure for cost in costs if cost.failure).most_common()),
        worker_hours=_total([cost.seconds for cost in costs], evaluated / 3600),
        cache_bytes=round(cached),
        trial_memory_mb=min(enough_mb, settings.search.trial_memory_mb),
    )


def _spread(values: Sequence[float]) -> Spread:
    median, high = np.quantile(values, [0.5, HIGH])
    return Spread(float(median), float(high))


def _total(values: Sequence[float], factor: float) -> Estimate:
    """The mean of values times a factor."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return Estimate(factor * mean, factor * max(0.0, mean - margin), factor * (mean + margin))


def _feature_sets(settings: Config) -> int:
    """How many sets of features of all images the final evaluation writes to the cache."""
    evaluation = settings.evaluation
    further_seeds = (evaluation.seeds - 1) * evaluation.winners
    return max(evaluation.winners, evaluation.recheck.best) + further_seeds
