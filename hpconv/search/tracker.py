"""Follows a search for its driver, and says every two seconds how it is."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hpconv.config import SearchSettings
from hpconv.processes import host_of
from hpconv.status.files import StatusFiles
from hpconv.status.progress import Pace, Progress
from hpconv.status.snapshot import Show, Status, counts, text
from hpconv.storage.store import QueueState, Store
from hpconv.trials import Trial

LOOK_SECONDS = 2.0
OVER: Status = {"workers": [], "eta_seconds": None}


class StatusPublisher:
    """The status of a search, from what its driver knows and what the database says.

    Args:
        progress: of this search; the driver tells it of trials.
        folder: gets status and trials.
        show: is given each status, for a person who waits.
    """

    def __init__(
        self,
        store: Store,
        settings: SearchSettings,
        progress: Progress,
        folder: StatusFiles | None,
        show: Show,
    ) -> None:
        self._store, self._settings, self._progress = store, settings, progress
        self._folder, self._show = folder, show
        self._pace = Pace()
        self._seconds = 0.0  # of searching, by all drivers of the experiment
        self._view, self._viewed = QueueState(datetime.now(UTC)), time.monotonic()
        self._begun: datetime | None = None

    def tell(self, ended: list[Trial]) -> None:
        """Add trials that have ended."""
        if self._folder:
            self._folder.add(ended)

    def update(self, seconds: float) -> None:
        """Say how the search is after so many seconds of searching, when it is time to."""
        self._seconds = seconds
        if self._begun is None or time.monotonic() - self._viewed >= LOOK_SECONDS:
            self._look()
            self._publish(self._status("searching", None))

    def end(self, reason: str) -> None:
        """Say why the search is over."""
        self._look()
        self._publish(self._status("ended", reason) | OVER)

    def fail(self, reason: str) -> None:
        """Say why the driver leaves early; the server may be gone, and is not asked."""
        since = timedelta(seconds=time.monotonic() - self._viewed)
        self._view = replace(self._view, now=self._view.now + since)
        self._publish(self._status("failed", reason) | OVER)

    def _look(self) -> None:
        self._view, self._viewed = self._store.queue_state(), time.monotonic()
        self._begun = self._begun or self._view.now

    def _publish(self, status: Status) -> None:
        if self._folder:
            self._folder.write(status)
        self._show(status)

    def _status(self, state: str, reason: str | None) -> Status:
        view, progress = self._view, self._progress
        told = counts(progress, self._settings.max_evals)
        pace = self._pace.per_hour(self._seconds, progress.finished)
        left = seconds_left(self._settings, progress.finished, self._seconds, pace)
        return {
            "experiment": self._store.exp_key,
            "state": state,
            "reason": reason,
            **told,
            "trials": told["trials"] | {"running": view.running, "queued": view.queued},
            "workers": _workers(view),
            "trials_per_hour": None if pace is None else round(pace, 1),
            "eta_seconds": None if left is None else round(left, 1),
            "seconds": round(self._seconds, 1),
            "started": text(progress.started or self._begun or view.now),
            "written": text(view.now),
        }


def seconds_left(
    settings: SearchSettings, finished: int, seconds: float, pace: float | None
) -> float | None:
    """How long a search will still take, by its largest number of trials and its time.

    Args:
        seconds: of searching until now.
        pace: trials an hour.
    """
    left = []
    if pace:
        left.append(3600 * (settings.max_evals - finished) / pace)
    if settings.max_minutes is not None:
        left.append(60 * settings.max_minutes - seconds)
    return max(0.0, min(left)) if left else None


def _workers(view: QueueState) -> list[dict[str, Any]]:
    found = []
    for name, held in view.workers.items():
        tid, seconds = held or (None, None)
        taken = None if seconds is None else round(seconds, 1)
        found.append({"name": name, "host": host_of(name), "tid": tid, "trial_seconds": taken})
    return sorted(found, key=lambda worker: (worker["host"], worker["name"]))
