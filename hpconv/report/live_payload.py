"""The payload of a running experiment, collected again when its files have changed."""

import threading
import time
from pathlib import Path

from hpconv import experiments, trials
from hpconv.errors import UserError
from hpconv.evaluation.records import FINAL_EVALUATION, read_evaluation
from hpconv.experiments import HISTORIES
from hpconv.report import payload, provenance, winner
from hpconv.report.hyperparameter_rows import HyperparameterRow
from hpconv.report.importance import Importance, importance
from hpconv.report.payload import Payload
from hpconv.status import snapshot
from hpconv.trials import Trial

REFRESH_SECONDS, IMPORTANCE_SECONDS = 2.0, 60.0  # minimum time between two computations
FILES = (*HISTORIES, "search.json", "baseline.json", FINAL_EVALUATION, "report.html")

Stamp = tuple[int, int] | None  # modification time and size of a file; None if it is missing


class LivePayload(Payload, total=False):
    """A payload for the dashboard."""

    report: bool  # whether there is a report
    retrained: list[int]  # number of winners that are, and of all


class Source:
    """What the dashboard shows of an experiment.

    Attributes:
        folder: of the experiment, ``results/<experiment>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._collected: tuple[LivePayload, provenance.Provenance] | None = None
        self._stamps: list[Stamp] = []
        self._last = {"trials": -REFRESH_SECONDS, "importance": -IMPORTANCE_SECONDS}
        self._latest_importance: Importance | None = None
        self._winners: list[winner.WinnerSection] = []
        self._winners_of: Stamp = None  # the final evaluation with these winners

    def collect(self) -> tuple[LivePayload, provenance.Provenance]:
        """The payload and the provenance, from the cache if no file has changed.

        Raises:
            UserError: when there are no trials, or the files cannot be read.
        """
        with self._lock:
            stamps = [_stamp(self.folder / name) for name in FILES]
            collected = self._collected
            if collected is None or (
                stamps != self._stamps and self._is_due("trials", REFRESH_SECONDS)
            ):
                collected = self._collect(stamps)
            found, facts = collected
            if (self.folder / snapshot.STATUS).exists():
                found = {**found, "status": payload.status(self.folder)}
            found["retrained"] = _retrained(self.folder)
            return found, facts

    def winners(self) -> list[winner.WinnerSection]:
        """The winners' sections, once there is a final evaluation."""
        with self._lock:
            stamp = _stamp(self.folder / FINAL_EVALUATION)
            if stamp != self._winners_of:
                self._winners, self._winners_of = winner.collect(self.folder), stamp
            return self._winners

    def _collect(self, stamps: list[Stamp]) -> tuple[LivePayload, provenance.Provenance]:
        try:
            history = trials.read_summaries(experiments.history(self.folder))
            found = payload.collect(self.folder, history, self._importance)
            facts = provenance.collect(self.folder, history)
        except (OSError, ValueError) as error:  # an incomplete line, on a cluster's file system
            if self._collected is None:
                raise UserError(f"{self.folder} cannot be read: {error}") from None
            return self._collected
        report = (self.folder / "report.html").exists()
        live: LivePayload = {**found, "report": report, "retrained": _retrained(self.folder)}
        self._collected, self._stamps = (live, facts), stamps
        return self._collected

    def _importance(
        self, history: list[Trial], labels: list[HyperparameterRow]
    ) -> Importance | None:
        if self._is_due("importance", IMPORTANCE_SECONDS):
            self._latest_importance = importance(history, labels)
        return self._latest_importance

    def _is_due(self, what: str, seconds: float) -> bool:
        """Whether this many seconds have passed since this was last due; restarts the interval."""
        now = time.monotonic()
        due = now - self._last[what] >= seconds
        if due:
            self._last[what] = now
        return due


def _retrained(folder: Path) -> list[int]:
    ranks = [path.parent for path in folder.glob("winners/*/trial.json")]
    done = sum(read_evaluation(rank / "evaluation.json") is not None for rank in ranks)
    return [done, len(ranks)]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
