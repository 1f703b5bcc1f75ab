"""Publishes the status of a running search every two seconds."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hpconv.config import SearchSettings
from hpconv.processes import host_of
from hpconv.status.files import StatusFiles
from hpconv.status.progress import Pace, Progress
from hpconv.status.record import Show, State, Status, WorkerStatus
from hpconv.storage.store import QueueState, Store
from hpconv.trials import Trial

UPDATE_SECONDS = 2.0


class StatusPublisher:
    """Makes the status of a search from its driver's counts and the queue in the database.

    Args:
        progress: of the search; the driver adds finished trials to it.
        files: receive status and trials.
        show: called with each status.
    """

    def __init__(
        self,
        store: Store,
        settings: SearchSettings,
        progress: Progress,
        *,
        files: StatusFiles | None,
        show: Show,
    ) -> None:
        self._store, self._settings, self._progress = store, settings, progress
        self._files, self._show = files, show
        self._pace = Pace()
        self._seconds = 0.0  # search time, over all drivers of the experiment
        self._queue, self._last_query = QueueState(datetime.now(UTC)), time.monotonic()
        self._first_query: datetime | None = None

    def add(self, ended: list[Trial]) -> None:
        """Add trials that have ended to the files."""
        if self._files:
            self._files.add(ended)

    def update(self, seconds: float) -> None:
        """Publish the status if two seconds have passed since the last time.

        Args:
            seconds: search time, over all drivers of the experiment.
        """
        self._seconds = seconds
        if self._first_query is None or time.monotonic() - self._last_query >= UPDATE_SECONDS:
            self._query()
            self._publish(self._status("searching", None))

    def end(self, reason: str) -> None:
        """Publish that the search has ended."""
        self._query()
        self._publish(_without_workers(self._status("ended", reason)))

    def fail(self, reason: str) -> None:
        """Publish that the driver has failed; without a query, as the server may be gone."""
        since = timedelta(seconds=time.monotonic() - self._last_query)
        self._queue = replace(self._queue, now=self._queue.now + since)
        self._publish(_without_workers(self._status("failed", reason)))

    def _query(self) -> None:
        self._queue, self._last_query = self._store.queue_state(), time.monotonic()
        self._first_query = self._first_query or self._queue.now

    def _publish(self, status: Status) -> None:
        if self._files:
            self._files.write(status)
        self._show(status)

    def _status(self, state: State, reason: str | None) -> Status:
        queue, progress = self._queue, self._progress
        pace = self._pace.per_hour(self._seconds, progress.finished)
        left = seconds_left(self._settings, progress.finished, self._seconds, pace)
        counts = progress.counts(self._settings.max_evals)
        return Status(
            experiment=self._store.exp_key,
            state=state,
            reason=reason,
            trials=replace(counts, running=queue.running, queued=queue.queued),
            failures=dict(progress.failures.most_common()),
            best=progress.best,
            workers=_workers(queue),
            trials_per_hour=None if pace is None else round(pace, 1),
            eta_seconds=None if left is None else round(left, 1),
            seconds=round(self._seconds, 1),
            started=progress.started or self._first_query or queue.now,
            written=queue.now,
            redraws=progress.redraws,
            seconds_spent=progress.worker_seconds(),
        )


def seconds_left(
    settings: SearchSettings, finished: int, seconds: float, pace: float | None
) -> float | None:
    """Estimated seconds until ``max_evals`` or ``max_minutes``; None if neither is known.

    Args:
        seconds: search time so far.
        pace: trials per hour.
    """
    left = []
    if pace:
        left.append(3600 * (settings.max_evals - finished) / pace)
    if settings.max_minutes is not None:
        left.append(60 * settings.max_minutes - seconds)
    return max(0.0, min(left)) if left else None


def _without_workers(status: Status) -> Status:
    return replace(status, workers=(), eta_seconds=None)


def _workers(queue: QueueState) -> tuple[WorkerStatus, ...]:
    """The workers, by host and name."""
    found = []
    for name, held in queue.workers.items():
        tid, seconds = held or (None, None)
        taken = None if seconds is None else round(seconds, 1)
        found.append(WorkerStatus(name, host_of(name), tid, taken))
    return tuple(sorted(found, key=lambda worker: (worker.host, worker.name)))
