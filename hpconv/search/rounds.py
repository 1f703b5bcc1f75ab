"""Ensembles that grow round by round: the trials of a round continue the same parent.

Partially corrective boosting and bagging as in hyperopt-convnet (Bergstra, Yamins and Cox, 2013):
a round's best trial becomes the parent of the next round as soon as enough trials have ended, and
nobody waits for those that have not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperopt import STATUS_OK
from hyperopt.base import JOB_STATE_ERROR

from hpconv.config import EnsembleSettings
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.search.algorithms import Algorithm
from hpconv.storage.attachments import MAX_BYTES
from hpconv.trials import Trial, continues

NO_ENSEMBLE = EnsembleSettings()


@dataclass
class Round:
    """The trials that continue the same parent, and what suggests more of them."""

    algorithm: Algorithm
    valid: int = 0
    ok: list[tuple[float, int]] = field(default_factory=list)  # loss and tid

    def tell(self, trials: list[Trial], loss_bound: float) -> None:
        """Add trials that have ended."""
        self.algorithm.tell(trials)
        valid = [trial for trial in trials if trial["state"] != JOB_STATE_ERROR]
        self.valid += len(valid)
        results = [(trial["result"], trial["tid"]) for trial in valid]
        ok = [(result["loss"], tid) for result, tid in results if result["status"] == STATUS_OK]
        self.ok += [(loss, tid) for loss, tid in ok if loss <= loss_bound]

    def winner(self, settings: EnsembleSettings) -> tuple[float, int] | None:
        """Loss and tid of the best trial, the older of equals; None while too few have ended."""
        if len(self.ok) < settings.min_ok_per_round or self.valid < settings.min_valid_per_round:
            return None
        return min(self.ok)


class Rounds:
    """Suggests trials of the current round, which depends on nothing but the ended trials.

    Args:
        new: makes the algorithm of another round; it is told of that round's trials only.
    """

    def __init__(self, settings: EnsembleSettings, new: Callable[[], Algorithm]) -> None:
        self._settings, self._new = settings, new
        self._rounds: dict[int | None, Round] = {}

    def tell(self, trials: list[Trial]) -> None:
        """Add trials that have ended, each to its own round."""
        for parent in {continues(trial) for trial in trials}:
            siblings = [trial for trial in trials if continues(trial) == parent]
            self._round(parent).tell(siblings, self._settings.absolute_loss_thresh)

    def suggest(self, tid: int, seed: int) -> dict[str, Any]:
        """The active hyperparameters of the next trial: label to value, choices by index."""
        return self._current().suggest(tid, seed)

    @property
    def source(self) -> str:
        """How the next suggestion is drawn, by the algorithm of its round."""
        return self._current().source

    def notes(self) -> dict[str, Any]:
        """What the ``misc`` of the next trial says of the ensemble that it continues."""
        if not self._settings.grow:
            return {}
        chain = self._members()
        fraction = self._settings.bagging_fraction
        said = {"continues": _last(chain), "members": chain, "bagging_fraction": fraction}
        return {"boosting": said}

    def _members(self) -> list[int]:
        """The tids of the winners from the first round on, each the parent of the next."""
        chain: list[int] = []
        factor, bound = self._settings.relative_loss_thresh, math.inf
        while self._settings.grow:
            winner = self._round(_last(chain)).winner(self._settings)
            if winner is None or winner[0] >= bound:
                break
            chain.append(winner[1])
            bound = math.inf if factor is None else factor * winner[0]
        return chain

    def _current(self) -> Algorithm:
        return self._round(_last(self._members())).algorithm

    def _round(self, parent: int | None) -> Round:
        if parent not in self._rounds:
            self._rounds[parent] = Round(self._new())
        return self._rounds[parent]


def _last(tids: list[int]) -> int | None:
    return tids[-1] if tids else None


def check_room(data: Path) -> None:
    """Refuse to grow ensembles on a data set whose scores are too many to be kept.

    Raises:
        UserError: with what they would take.
    """
    with DataFile(data) as file:
        examples = len(file.splits.train) + len(file.splits.validation)
        columns = 1 if file.has_pairs else len(file.classes)
    size = 4 * examples * columns
    if size > MAX_BYTES:
        raise UserError(
            f"config key 'ensemble.grow' is true, but a trial would keep {size / 2**20:.0f} MiB of "
            f"scores, {MAX_BYTES / 2**20:g} are allowed: write 'ensemble.grow: false', or use a "
            "smaller 'data.fraction'"
        )
