"""The state of a job, from its own status record first, then from the scheduler."""

import time
from pathlib import Path
from typing import NamedTuple

from hpconv.pbs.dialects import Dialect, JobStatus
from hpconv.pbs.verdicts import ACTIVE, DELETED, FAILED, LOST, REFUSED, SUCCESS, JobState

WALLTIME_SLACK = 30.0
# exit status after SIGTERM, in a job's record and in PBS
TERMINATED, DELETED_STATUS = 128 + 15, 256 + 15


class Record(NamedTuple):
    """A job's status record; ``status`` is its exit status, None while it runs."""

    status: int | None
    host: str
    began: float
    ended: float
    signalled: bool = False  # it received a signal, perhaps without time to write its exit status


def read_record(path: Path) -> Record | None:
    """Read a record: exit status (or ``running``, ``signal``), host, start and end time."""
    try:
        word, host, began, ended = path.read_text().split()
        status = None if word in ("running", "signal") else int(word)
        return Record(status, host, float(began), float(ended), word == "signal")
    except (OSError, ValueError):  # missing, or not readable at the moment
        return None


class JobTracker:
    """Tracks one job; its state only moves forward.

    Args:
        minutes: the job's walltime.
        patience: seconds to wait for its record on a network file system, after the
            scheduler reports its end.

    Attributes:
        host: the node on which it ran, if known.
    """

    def __init__(self, dialect: Dialect, minutes: int, patience: float) -> None:
        self._dialect = dialect
        self._minutes = minutes
        self._patience = patience
        self._over_since: float | None = None
        self._ran = False
        self.host = ""

    def state(self, record: Record | None, row: JobStatus | None, unknown: bool) -> JobState:
        """The job's state.

        Args:
            record: its status record, if visible.
            row: its status in the queue, if known.
            unknown: whether the scheduler answered that it does not know the job.
        """
        # the scheduler's name for a node first: a job may know another one
        self.host = (row.host if row else "") or self.host or (record.host if record else "")
        self._ran |= record is not None or (row is not None and row.state == "running")
        if record is not None and record.status == 0:
            return JobState(SUCCESS)
        if record is not None and record.status is not None:
            return self._judged(record, row)
        if reason := _reason_never_runs(row):
            return JobState(REFUSED, reason)
        if unknown or (row is not None and row.state == "over"):
            return self._over(record, row)
        return JobState(ACTIVE)

    def _over(self, record: Record | None, row: JobStatus | None) -> JobState:
        now = time.monotonic()
        self._over_since = self._over_since or now
        if now - self._over_since < self._patience and not (row and row.exit_status):
            return JobState(ACTIVE)  # its record may not be visible yet
        return self._judged(record, row)

    def _judged(self, record: Record | None, row: JobStatus | None) -> JobState:
        """Whose fault the end of a job was, and why."""
        status = row.exit_status if row else None
        where = f" on {record.host}" if record else ""
        if self._walltime_was_up(record, status):
            used = f"its walltime of {self._minutes} minutes was exceeded{where}"
            return JobState(FAILED, used)
        if status is not None and status in self._dialect.verdicts:
            kind, reason = self._dialect.verdicts[status]
            comment = f" ({row.comment})" if row and row.comment else ""
            return JobState(kind, f"{reason}{where}: Exit_status {status}{comment}")
        if status == DELETED_STATUS or _was_signalled(record):
            reason = f"it was ended by a signal{where}: deleted with qdel or preempted"
            return JobState(DELETED, reason)
        if record is not None and record.status is not None:
            return JobState(FAILED, f"it exited with status {record.status}{where}")
        if status is None:
            what = "its node was lost" if self._ran else "it was deleted before it ran"
            kind = LOST if self._ran else DELETED
            return JobState(kind, f"it ended without a status record: {what}")
        return JobState(FAILED, _unrecorded(status))

    def _walltime_was_up(self, record: Record | None, status: int | None) -> bool:
        if status is not None and status == self._dialect.walltime_status:
            return True
        if record is None or not _was_signalled(record):
            return False
        return record.ended - record.began > self._minutes * 60 - WALLTIME_SLACK


def _unrecorded(status: int) -> str:
    # a job writes its record first, and before it does anything else
    return (
        f"it ended with status {status}, and no record of it is visible here: is the working "
        "directory on a file system that the nodes share, and can they write to it?"
    )


def _was_signalled(record: Record | None) -> bool:
    """Whether a job was ended by a signal."""
    return record is not None and (record.signalled or record.status == TERMINATED)


def _reason_never_runs(row: JobStatus | None) -> str:
    """Why a waiting job will never run, according to the scheduler's comment."""
    if row is None or row.state != "waiting":
        return ""
    if "Can Never Run" in row.comment:
        return f"it will never run, says the scheduler: {row.comment}"
    if "too many failed attempts" in row.comment:  # OpenPBS, if a node cannot open the job's log
        return (
            f"it could not be started: {row.comment}; is the working directory on a file system "
            "that the nodes share, and can they write to it?"
        )
    return ""
