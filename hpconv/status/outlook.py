"""Whether more trials are worth their cost, and what limits a search now."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hpconv import experiments, trials
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.trials import Trial, ensemble_error_or_none

MORE = 100  # trials, for which the chance is computed
TAIL = 5  # errors above the lowest, from which the scale of the tail is estimated
MANY_FAILURES = 1 / 3  # of worker time
WORTH = 0.2  # chance above which the number of trials is the limit
RIVALS = 3  # trials within the noise of the best

Limit = Literal["failures", "trials", "noise", "space"]


@dataclass(frozen=True)
class Outlook:
    """The prospects of a search.

    Attributes:
        trials: number of trials that have ended.
        before: lowest error after two thirds of them; None if none had succeeded.
        best: lowest error now.
        examples: number of validation examples.
        noise: standard error of ``best``.
        chance: that ``MORE`` trials improve ``best`` by more than ``noise``; None after too few.
        limit: what keeps the error from falling.
        detail: numbers for ``limit``, in words.
    """

    trials: int
    before: float | None
    best: float
    examples: int
    noise: float
    chance: float | None
    limit: Limit
    detail: str

    @property
    def sentence(self) -> str:
        """The outlook in words."""
        fell = self.before is None or self.before > self.best
        since = "none" if self.before is None else _percent(self.before)
        moved = f"fell from {since} to" if fell else "stayed at"
        chance = "unknown after so few trials" if self.chance is None else _about(self.chance)
        return (
            f"The best error {moved} {_percent(self.best)} over the last third of {self.trials:,} "
            f"trials; the chance that {MORE} more trials improve it by more than the noise of "
            f"{self.examples:,} validation examples ({_percent(self.noise)}) is {chance}. "
            f"{LIMITS[self.limit]} {self.detail}."
        )


LIMITS: dict[Limit, str] = {
    "failures": "Failures limit the search:",
    "trials": "The number of trials limits the search:",
    "noise": "The noise of validation limits the search:",
    "space": "The search space limits the search:",
}


def read(folder: Path) -> Outlook | None:
    """The outlook of an experiment, ``results/<experiment>``; None before a trial has succeeded."""
    try:
        history = trials.read_summaries(experiments.history(folder))
        with DataFile(folder / "data.h5") as data:
            return outlook(history, len(data.splits.validation))
    except (OSError, UserError):  # no trials or no images yet, or those of another user
        return None


def outlook(history: list[Trial], examples: int) -> Outlook | None:
    """The outlook of a search; None if no trial has succeeded.

    The noise of an error rate e on n examples is its binomial standard error sqrt(e (1 - e) / n).

    Args:
        history: the trials that have ended, by number.
        examples: number of validation examples.
    """
    found = [ensemble_error_or_none(trial) for trial in history]
    errors = np.array([math.inf if error is None else error for error in found])
    if not np.isfinite(errors).any():
        return None
    best, before = float(errors.min()), float(errors[: -(-2 * len(errors) // 3)].min())
    noise = math.sqrt(best * (1 - best) / examples)
    chance = chance_of_improvement(errors, noise, MORE)
    limit, detail = _limit(history, chance, int((errors <= best + noise).sum()))
    earlier = before if math.isfinite(before) else None
    return Outlook(len(errors), earlier, best, examples, noise, chance, limit, detail)


def chance_of_improvement(errors: np.ndarray, margin: float, count: int) -> float | None:
    """The chance that count more draws improve the lowest of n errors by more than a margin.

    The lower tail is taken as exponential with scale s. Then the lowest of m draws is below that of
    n others by more than d with probability ``m / (m + n exp(d / s))``, as the difference of two
    Gumbel variables is logistic; for d = 0 this holds for all exchangeable draws. The estimate of s
    is the mean excess of the k + 1 lowest errors, ``(1 / k) sum(e[k + 1] - e[i])`` (Davison and
    Smith, *JRSS B* 52, 1990, with shape 0). docs/benchmarks.md compares chances with what happened.
    Trials of an algorithm that learns are not exchangeable: later ones are better.

    Args:
        errors: ``(n,)``, infinite if a trial failed.

    Returns:
        None if fewer than k + 1 are finite.
    """
    lowest = np.sort(errors[np.isfinite(errors)])[: TAIL + 1]
    if len(lowest) <= TAIL:
        return None
    scale = float((lowest[-1] - lowest[:-1]).mean())
    if scale == 0 or margin > lowest[0]:
        return 0.0
    return count / (count + len(errors) * math.exp(margin / scale))


def _limit(history: list[Trial], chance: float | None, rivals: int) -> tuple[Limit, str]:
    """What limits a search, and numbers that show it.

    Args:
        rivals: number of trials within the noise of the best, itself included.
    """
    spent = Counter[str]()
    for trial in history:
        spent.update(trials.seconds_spent(trial))
    if (wasted := spent["failed"] / max(spent.total(), 1e-9)) > MANY_FAILURES:
        failures = (trials.failure(trial) for trial in history)
        kind, _ = Counter(each["kind"] for each in failures if each).most_common(1)[0]
        return "failures", f"they take {_percent(wasted, 0)} of the worker time, mostly {kind}"
    if chance is None or chance >= WORTH:
        return "trials", "increase search.max_evals, and the search continues"
    if rivals >= RIVALS:
        return "noise", (
            f"{rivals} trials are within it of the best; evaluation.recheck or more validation "
            "images would tell them apart"
        )
    return "space", "larger sizes in section model, or more training images, may help"


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _about(chance: float) -> str:
    return "below 1 %" if chance < 0.01 else f"about {chance:.0%}".replace("%", " %")
