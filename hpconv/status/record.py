"""The status of a search: one record, from the driver to the terminal and the page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, TypeAdapter

State = Literal["searching", "ended", "failed", "silent"]
Time = Annotated[datetime, PlainSerializer(lambda time: time.isoformat(timespec="seconds"))]


@dataclass(frozen=True)
class TrialCounts:
    """Numbers of trials.

    Attributes:
        max: at which the search ends.
        ok: trials with an error rate.
        stopped: trials that were stopped at a rung.
        failed: trials that failed, without those that were lost.
        lost: trials whose workers stopped responding.
        running: on a worker.
        queued: waiting for a worker.
    """

    max: int
    ok: int
    failed: int
    lost: int
    stopped: int = 0
    running: int = 0
    queued: int = 0

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return self.ok + self.stopped + self.failed + self.lost


@dataclass(frozen=True)
class BestTrial:
    """The lowest validation error so far, of an ensemble where one grows, and its trial.

    Attributes:
        since: when the trial ended.
    """

    error: float
    tid: int
    since: Time | None


@dataclass(frozen=True)
class WorkerStatus:
    """A worker, the trial that it evaluates and for how many seconds; None while it is idle."""

    name: str
    host: str
    tid: int | None
    trial_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of a search, as ``live/status.json`` and ``hpconv status --json`` have it.

    Attributes:
        state: ``silent`` is set by readers, if the driver has stopped writing.
        reason: why the search is over, None while it is running.
        failures: number of failed trials by kind, the most frequent first.
        trials_per_hour: over the last quarter of an hour; None before the first trial has ended.
        eta_seconds: time left until ``search.max_evals`` or ``search.max_minutes``.
        seconds: search time, over all runs.
        seconds_spent: worker time of trials that have ended, as ``trials.seconds_spent``, the most
            first.
        started: when the first trial began.
        redraws: number of suggestions that were drawn again.
        age_seconds: since the status was written; set by readers.
    """

    experiment: str
    state: State
    reason: str | None
    trials: TrialCounts
    failures: dict[str, int]
    best: BestTrial | None
    workers: tuple[WorkerStatus, ...] = field(default=())
    trials_per_hour: float | None
    eta_seconds: float | None = None
    seconds: float
    started: Time
    written: Time
    redraws: int = 0
    seconds_spent: dict[str, float] = field(default_factory=dict)
    age_seconds: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the search has ended or failed."""
        return self.state in ("ended", "failed")

    def to_json(self) -> dict[str, Any]:
        """The status as a JSON object."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        if self.age_seconds is None:
            del values["age_seconds"]
        return values

    @classmethod
    def from_json(cls, text: str | bytes) -> "Status":
        """Read a status.

        Raises:
            pydantic.ValidationError: if the text is not a status in JSON.
        """
        return _ADAPTER.validate_json(text)


Show = Callable[[Status], None]

_ADAPTER = TypeAdapter(Status)
