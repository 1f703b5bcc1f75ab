"""How a search goes: counts, the best loss, and whether that is a reason to stop."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

from hpconv.config import SearchSettings
from hpconv.errors import UserError
from hpconv.trials import Trial, as_utc, ensemble_error, error_line, evaluation_seconds, failure

MAX_CONSECUTIVE_FAILURES = 100  # failures in a row, after which nothing else is expected
WINDOW_SECONDS = 900.0  # of searching, over which the pace is taken


@dataclass
class Progress:
    """What the finished trials of a search amount to, told in the order in which they ended."""

    finished: int = 0
    best: tuple[float, int] | None = None  # error, of an ensemble where one grows, and tid
    best_since: datetime | None = None
    started: datetime | None = None  # when the first of them began
    last_error: str | None = None  # of the latest trial, if it ended in one
    since_improvement: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failures_in_a_row: int = 0
    seconds_lost: float = 0.0  # of evaluations that came to nothing

    def tell(self, trial: Trial) -> None:
        """Count a finished trial."""
        self.finished += 1
        self.since_improvement += 1
        if began := as_utc(trial.get("book_time")):
            self.started = min(began, self.started or began)
        failed = failure(trial)
        self.last_error = error_line(trial["error"]) if "error" in trial else None
        if failed:
            self.failures[failed["kind"]] += 1
            self.failures_in_a_row += 1
            self.seconds_lost += evaluation_seconds(trial)
            return
        self.failures_in_a_row = 0
        error = (ensemble_error(trial), trial["tid"])
        if self.best is None or error < self.best:
            if self.best is None or error[0] < self.best[0]:
                self.since_improvement = 0
            self.best, self.best_since = error, as_utc(trial.get("refresh_time"))

    def reason_to_stop(self, settings: SearchSettings, seconds: float) -> str | None:
        """Why a search is over that has taken so many seconds, or None.

        Raises:
            UserError: when nothing but failures come.
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
        if self.failures_in_a_row >= MAX_CONSECUTIVE_FAILURES:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.failures.most_common())
            raise UserError(
                f"the last {self.failures_in_a_row} trials have all failed ({kinds} so far): "
                "see the workers' logs; the section 'model' may not suit the images"
            )
        return None

    def _reached(self, target: float | None) -> bool:
        return target is not None and self.best is not None and self.best[0] <= target


class Pace:
    """Trials an hour of searching, over the last quarter of an hour.

    What an experiment's earlier drivers did counts as done evenly since it began.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])  # seconds, finished

    def per_hour(self, seconds: float, finished: int) -> float | None:
        """The pace by now, when so many trials have finished in so many seconds of searching."""
        self._samples.append((seconds, finished))
        while self._samples[1][0] < seconds - WINDOW_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        return (
            3600 * (finished - before) / (seconds - since) if finished and seconds > since else None
        )
