"""Whether a job goes on, is done or has failed: by its own record first, then by the scheduler."""

import time
from pathlib import Path
from typing import NamedTuple

from hpconv.pbs.dialects import Dialect, Row

ACTIVE, SUCCESS, FAILED = "active", "success", "failed"
LOST = "lost"  # it failed, through no fault of its own: another attempt may go well
WALLTIME_SLACK = 30.0
# SIGTERM, as the record of a job says it, and as PBS does
TERMINATED, DELETED = 128 + 15, 256 + 15


class Record(NamedTuple):
    """What a job has written of itself: its exit status, once it has ended."""

    status: int | None
    host: str
    began: float
    ended: float
    signalled: bool = False  # it was told to end, and may not have come to more


class JobState(NamedTuple):
    """How a job stands, and why it failed."""

    kind: str
    reason: str = ""


def read_record(path: Path) -> Record | None:
    """The record of a job: its status (or ``running``, ``signal``), its host, begin and end."""
    try:
        word, host, began, ended = path.read_text().split()
        status = None if word in ("running", "signal") else int(word)
        return Record(status, host, float(began), float(ended), word == "signal")
    except (OSError, ValueError):  # not there, or not to be read right now
        return None


class JobTracker:
    """Follows one job; its state only moves forward.

    Args:
        minutes: the job's walltime.
        patience: seconds for its record to be seen through a network file system, once the
            scheduler says that it is over.
    """

    def __init__(self, dialect: Dialect, minutes: int, patience: float) -> None:
        self._dialect = dialect
        self._minutes = minutes
        self._patience = patience
        self._over_since: float | None = None
        self._ran = False

    def verdict(self, record: Record | None, row: Row | None, unknown: bool) -> JobState:
        """How the job stands.

        Args:
            record: what it has written, if that is to be seen.
            row: what the scheduler says of it, if it was asked and knows.
            unknown: whether the scheduler said that it does not know it.
        """
        self._ran |= record is not None or (row is not None and row.state == "running")
        if record is not None and record.status == 0:
            return JobState(SUCCESS)
        if record is not None and record.status is not None:
            return JobState(FAILED, self._explain(record, row))
        if row is not None and row.state == "waiting" and (hopeless := _hopeless(row.comment)):
            return JobState(FAILED, hopeless)
        if unknown or (row is not None and row.state == "over"):
            return self._over(record, row)
        return JobState(ACTIVE)

    def _over(self, record: Record | None, row: Row | None) -> JobState:
        now = time.monotonic()
        self._over_since = self._over_since or now
        if now - self._over_since < self._patience and not (row and row.exit_status):
            return JobState(ACTIVE)  # its record may still be on its way
        told = (record and record.signalled) or (row and row.exit_status is not None)
        lost = self._ran and not told
        return JobState(LOST if lost else FAILED, self._explain(record, row))

    def _explain(self, record: Record | None, row: Row | None) -> str:
        status = row.exit_status if row else None
        where = f" on {record.host}" if record else ""
        if self._walltime_was_up(record, status):
            return f"its walltime of {self._minutes} minutes was used up{where}"
        if status == DELETED or _was_told(record):
            return f"it was ended by a signal{where}: deleted with qdel, or its node was needed"
        if record is not None and record.status is not None:
            return f"it ended with exit status {record.status}{where}"
        if status is None:
            what = "its node was lost" if self._ran else "it was deleted before it ran"
            return f"it is gone without a record: {what}"
        if status == 0:
            return (
                "the scheduler says that it ended well, but nothing of it is to be seen here: is "
                "the working directory on a file system that the nodes share?"
            )
        if status < 0:
            comment = row.comment if row else ""
            return f"the scheduler could not run it (Exit_status {status}): {comment}"
        return f"it ended with exit status {status} before it could write a record"

    def _walltime_was_up(self, record: Record | None, status: int | None) -> bool:
        if status is not None and status == self._dialect.walltime_status:
            return True
        if record is None or not _was_told(record):
            return False
        return record.ended - record.began > self._minutes * 60 - WALLTIME_SLACK


def _was_told(record: Record | None) -> bool:
    """Whether a job was told to end."""
    return record is not None and (record.signalled or record.status == TERMINATED)


def _hopeless(comment: str) -> str:
    """Why a job that waits will never run, if the scheduler says so."""
    for words in ("Can Never Run", "too many failed attempts"):
        if words in comment:
            return f"it will never run, the scheduler says: {comment}"
    return ""
