"""When trials were evaluated, and how long that took."""

from datetime import UTC, datetime

from hpconv.trials.document import Trial
from hpconv.trials.outcome import failure, has_succeeded


def as_utc(time: datetime | str | None) -> datetime | None:
    """A time of a trial, which has no time zone, as a datetime in UTC."""
    if time is None:
        return None
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).replace(tzinfo=UTC)


def evaluation_seconds(trial: Trial) -> float:
    """Duration of the evaluation of a trial that has ended.

    The sum of its steps if they were measured, else the time from ``book_time`` to
    ``refresh_time``. For a lost trial, that is its last attempt and the lease that followed.
    """
    measured = sum(trial["result"].get("seconds", {}).values())
    began, ended = as_utc(trial.get("book_time")), as_utc(trial.get("refresh_time"))
    if measured or began is None or ended is None:
        return float(measured)
    return (ended - began).total_seconds()


def seconds_spent(trial: Trial) -> dict[str, float]:
    """Worker time of a trial that has ended: by step, or as ``stopped`` or ``failed``."""
    if failure(trial):
        return {"failed": evaluation_seconds(trial)}
    if not has_succeeded(trial):
        return {"stopped": evaluation_seconds(trial)}
    return trial["result"].get("seconds", {})
