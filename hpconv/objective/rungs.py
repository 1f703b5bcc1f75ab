"""Rungs: a trial is fitted to shares of the examples first, and goes on only if it is good.

Asynchronous successive halving (Li et al., MLSys 2020), with halving by three: at each rung, a
trial is compared with the trials that have reached this rung before, and nobody waits. A stopped
trial is not continued later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperopt.base import Ctrl, Trials

from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.states import STATUS_OK
from hpconv.trials import Result, Rung, Standing, Trial

BEST = 1 / 3  # share of the trials at a rung that go on
MIN_TRIALS = 9  # at a rung, before any is stopped

Compare = Callable[[list[Rung]], Standing]  # of the rungs that a trial has reached, at the last


@dataclass(frozen=True)
class RungContext:
    """The rungs of a trial.

    Attributes:
        shares: of the examples, rising.
        compare: called at each rung.
    """

    shares: Sequence[float]
    compare: Compare


class RungCtrl(Ctrl):
    """What hyperopt passes to an objective, with its standing at rungs.

    Args:
        trials: as for ``Ctrl``.
        trial: the current one.
        compare: see ``RungContext``.
    """

    def __init__(self, trials: Trials, trial: Trial, compare: Compare) -> None:
        super().__init__(trials, current_trial=trial)
        self.compare = compare


def rung_context(shares: Sequence[float], ctrl: Any) -> RungContext | None:
    """The rungs of the current trial; None without shares, and for hyperopt's own workers."""
    return RungContext(shares, ctrl.compare) if shares and isinstance(ctrl, RungCtrl) else None


def goes_on(standing: Standing) -> bool:
    """Whether a trial goes on after a rung: it is in the best third, or there are too few."""
    return standing.reached < MIN_TRIALS or standing.better < BEST * standing.reached


def reach_rungs(
    context: RungContext, loss_at: Callable[[float], float], seconds: dict[str, float]
) -> Result:
    """Fit a trial to one share after the other, until all are reached or it is stopped.

    Args:
        loss_at: fits the trial to a share of the examples and returns its validation error.
        seconds: of the trial so far, by step.

    Returns:
        ``status`` and ``rungs``; of a trial that is stopped also ``loss`` and ``stopped_at``.
    """
    reached: list[Rung] = []
    result: Result = {"status": STATUS_OK, "rungs": reached}
    for share in context.shares:
        loss = loss_at(share)
        reached.append({"share": share, "loss": loss, "seconds": dict(seconds)})
        if not goes_on(context.compare(reached)):
            return {**result, "loss": loss, "stopped_at": share}
    return result


def check(shares: Sequence[float], data: Path) -> None:
    """Check that a search on a data file can have rungs.

    Raises:
        UserError: if its examples are pairs of images.
    """
    if not shares:
        return
    with DataFile(data) as file:
        if file.has_pairs:
            raise UserError(
                f"config key 'search.rungs' is {list(shares)}, but the examples of {file.name} are "
                "pairs of images: write 'rungs: null'"
            )
