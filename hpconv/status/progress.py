"""The progress of a search: counts, the best trial and reasons to stop."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

from hpconv.config import SearchSettings
from hpconv.errors import UserError
from hpconv.status.record import BestTrial, TrialCounts
from hpconv.trials import (
    Trial,
    as_utc,
    ensemble_error,
    error_line,
    failure,
    has_succeeded,
    seconds_spent,
)

MAX_CONSECUTIVE_FAILURES = 100  # the search stops after these, as if all trials would fail
WINDOW_SECONDS = 900.0  # of search time, over which the pace is measured


@dataclass
class Progress:
    """Counts the finished trials of a search, in the order in which they ended.

    Attributes:
        finished: trials that have ended, failed ones included.
        best: of equal errors the trial with the lowest tid.
        started: when the first trial began.
        last_error: of the latest trial, if it ended on a programming error.
        since_improvement: trials since the lowest error fell.
        failures: by kind.
        consecutive_failures: up to the latest trial.
        stopped: trials that were stopped at a rung.
        seconds_spent: worker time, as ``trials.seconds_spent``.
        redraws: suggestions that were drawn again.
    """

    finished: int = 0
    best: BestTrial | None = None
    started: datetime | None = None
    last_error: str | None = None
    since_improvement: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    consecutive_failures: int = 0
    stopped: int = 0
    seconds_spent: Counter[str] = field(default_factory=Counter)
    redraws: int = 0

    def tell(self, trial: Trial) -> None:
        """Count a finished trial."""
        self.finished += 1
        self.since_improvement += 1
        self.seconds_spent.update(seconds_spent(trial))
        self.redraws += trial["misc"].get("redrawn", 0)
        if began := as_utc(trial.get("book_time")):
            self.started = min(began, self.started or began)
        failed = failure(trial)
        self.last_error = error_line(trial["error"]) if "error" in trial else None
        if failed:
            self.failures[failed["kind"]] += 1
            self.consecutive_failures += 1
            return
        self.consecutive_failures = 0
        if not has_succeeded(trial):
            self.stopped += 1
            return
        error, tid = ensemble_error(trial), trial["tid"]
        if self.best is None or error < self.best.error:
            self.since_improvement = 0
        if self.best is None or (error, tid) < (self.best.error, self.best.tid):
            self.best = BestTrial(error, tid, as_utc(trial.get("refresh_time")))

    def counts(self, max_evals: int) -> TrialCounts:
        """Numbers of the trials that have ended."""
        failed, lost = self.failures.total(), self.failures["lost"]
        ok = self.finished - failed - self.stopped
        return TrialCounts(max_evals, ok, failed - lost, lost, stopped=self.stopped)

    def worker_seconds(self) -> dict[str, float]:
        """Worker time as ``trials.seconds_spent``, rounded, the most first."""
        return {what: round(seconds, 1) for what, seconds in self.seconds_spent.most_common()}

    def reason_to_stop(self, settings: SearchSettings, seconds: float) -> str | None:
        """Why the search is over, or None.

        Args:
            seconds: search time so far.

        Raises:
            UserError: after ``MAX_CONSECUTIVE_FAILURES``.
        """
        if self.finished >= settings.max_evals:
            return f"{self.finished} trials have finished (search.max_evals)"
        if settings.max_minutes is not None and seconds >= settings.max_minutes * 60:
            return f"{seconds / 60:.1f} minutes have passed (search.max_minutes)"
        if self._reached(settings.target_loss):
            return f"a loss of {settings.target_loss:g} is reached (search.target_loss)"
        if self.best and self.since_improvement >= (settings.no_improvement_trials or float("inf")):
            return (
                f"no improvement in {self.since_improvement} trials (search.no_improvement_trials)"
            )
        if self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.failures.most_common())
            raise UserError(
                f"the last {self.consecutive_failures} trials have all failed ({kinds} so far): "
                "see the workers' logs; the section 'model' may not suit the images"
            )
        return None

    def _reached(self, target: float | None) -> bool:
        return target is not None and self.best is not None and self.best.error <= target


class Pace:
    """Trials per hour of search time, over the last quarter of an hour.

    Trials of an experiment's earlier drivers count as spread evenly over their search time.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])  # seconds, finished

    def per_hour(self, seconds: float, finished: int) -> float | None:
        """The current pace, from the search time and the number of finished trials so far."""
        self._samples.append((seconds, finished))
        while self._samples[1][0] < seconds - WINDOW_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        return (
            3600 * (finished - before) / (seconds - since) if finished and seconds > since else None
        )
