"""Ensembles that grow round by round: the trials of a round extend the same ensemble.

Partially corrective boosting and bagging as in hyperopt-convnet (Bergstra, Yamins and Cox, 2013):
a round's best trial joins the ensemble as soon as enough trials have ended, without waiting for
the others. It is the parent of the next round's trials.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpconv.config import EnsembleSettings
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.search.algorithms import Algorithm
from hpconv.states import JOB_STATE_DONE, STATUS_OK
from hpconv.storage.attachments import MAX_BYTES
from hpconv.trials import Assignment, EnsembleMembership, Trial, continues

NO_ENSEMBLE = EnsembleSettings()


@dataclass
class Round:
    """The trials that extend the same parent, and the algorithm that suggests more of them.

    Attributes:
        valid: trials that ended, other than on a programming error.
        ok: trials among them that succeeded.
        best: loss and tid of the best of these, the older of equals.
    """

    algorithm: Algorithm
    valid: int = 0
    ok: int = 0
    best: tuple[float, int] = (math.inf, -1)

    def tell(self, trials: list[Trial], loss_bound: float) -> None:
        """Add trials; each is told when it is queued, and once when it has ended."""
        self.algorithm.tell(trials)
        done = [trial for trial in trials if trial["state"] == JOB_STATE_DONE]
        self.valid += len(done)
        for tid, result in ((trial["tid"], trial["result"]) for trial in done):
            if result["status"] == STATUS_OK and result["loss"] <= loss_bound:
                self.ok += 1
                self.best = min(self.best, (result["loss"], tid))

    def winner(self, settings: EnsembleSettings) -> tuple[float, int] | None:
        """Loss and tid of the best trial, None while too few have ended."""
        enough = self.ok >= settings.min_ok_per_round and self.valid >= settings.min_valid_per_round
        return self.best if enough else None


class Rounds:
    """Suggests trials of the current round, which depends on the ended trials alone.

    Args:
        new: makes the algorithm of a round; it is told the trials of that round only.
    """

    def __init__(self, settings: EnsembleSettings, new: Callable[[], Algorithm]) -> None:
        self._settings, self._new = settings, new
        self._rounds: dict[int | None, Round] = {}
        self._members: list[int] = []  # tids of the winners so far, each the parent of the next

    def tell(self, trials: Iterable[Trial]) -> None:
        """Add trials, pending or ended, each to its own round."""
        siblings = defaultdict(list)
        for trial in trials:
            siblings[continues(trial)].append(trial)
        for parent, group in siblings.items():
            self._round(parent).tell(group, self._settings.absolute_loss_thresh)
        self._members = self._chain()

    def suggest(self, tid: int, seed: int, refusals: int = 0) -> Assignment:
        """The active hyperparameters of the next trial, by the algorithm of its round."""
        return self._current().suggest(tid, seed, refusals)

    @property
    def source(self) -> str:
        """How the next suggestion is drawn, by the algorithm of its round."""
        return self._current().source

    def notes(self) -> dict[str, Any]:
        """The ensemble that the next trial extends, for its ``misc``."""
        if not self._settings.grow:
            return {}
        membership: EnsembleMembership = {
            "continues": _last(self._members),
            "members": self._members,
            "bagging_fraction": self._settings.bagging_fraction,
        }
        return {"boosting": membership}

    def _chain(self) -> list[int]:
        """The winners from the first round on: a late trial may still win an early round."""
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
        return self._round(_last(self._members)).algorithm

    def _round(self, parent: int | None) -> Round:
        if parent not in self._rounds:
            self._rounds[parent] = Round(self._new())
        return self._rounds[parent]


def _last(tids: list[int]) -> int | None:
    return tids[-1] if tids else None


def check_room(data: Path) -> None:
    """Check that the database can store the scores that each trial of an ensemble keeps.

    Raises:
        UserError: if they exceed ``MAX_BYTES``.
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
