"""Reads the status of a search from its files: needs no server and no password."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from hpconv import trials
from hpconv.errors import UserError
from hpconv.status.progress import Progress
from hpconv.status.record import Status

STATUS = Path("live", "status.json")  # written by the driver during the search
SILENT_SECONDS = 30.0  # after these a driver that should be searching may be gone
SHOWS = (str(STATUS), "search.json", "logs")  # an experiment that has begun has one of these


def read(folder: Path) -> Status | None:
    """The current status of an experiment's search, None if it has not begun.

    Args:
        folder: of the experiment, ``results/<experiment>``.

    Returns:
        The content of ``live/status.json`` with ``age_seconds``; the state is ``silent`` if the
        driver has not written for half a minute. Without that file, the status of a finished
        search is computed from its trials.

    Raises:
        UserError: if the files cannot be read.
    """
    try:
        if (folder / STATUS).exists():
            return _with_age(Status.from_json((folder / STATUS).read_bytes()))
        if (folder / "search.json").exists() and (folder / "trials.jsonl").exists():
            return _with_age(_from_trials(folder, trials.read_summary(folder / "search.json")))
    except PermissionError as error:
        raise UserError(f"the status of {folder} cannot be read: {error}") from None
    except ValidationError as invalid:
        first = invalid.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{folder / STATUS} is not a status: {key}: {first['msg']}") from None
    return None


def not_begun(folder: Path) -> str:
    """The message for an experiment without a status: it names the log to read."""
    logs = sorted((folder / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime)
    where = f"see the newest log, {logs[-1]}" if logs else f"logs will be in {folder}/logs"
    return f"the search of {folder} has not begun: {where}"


def _with_age(status: Status) -> Status:
    age = (datetime.now(UTC) - status.written).total_seconds()
    age = max(0.0, age)  # the clocks of two machines may differ a little
    silent = status.state == "searching" and age > SILENT_SECONDS
    state = "silent" if silent else status.state
    return replace(status, age_seconds=round(age, 1), state=state)


def _from_trials(folder: Path, ended: trials.SearchSummary) -> Status:
    """The status of a search that ended before there were status files."""
    progress = Progress()
    last = _tell(progress, trials.read_summaries(folder / "trials.jsonl"))
    started = progress.started or last
    seconds = (last - started).total_seconds()
    return Status(
        experiment=folder.resolve().name,
        state="ended",
        reason=ended["stopped"],
        trials=progress.counts(ended["search"].get("max_evals", progress.finished)),
        failures=dict(progress.failures.most_common()),
        best=progress.best,
        trials_per_hour=round(3600 * progress.finished / seconds, 1) if seconds else None,
        seconds=round(seconds, 1),
        started=started,
        written=last,
        redraws=progress.redraws,
        seconds_spent=progress.worker_seconds(),
    )


def _tell(progress: Progress, history: list[trials.Trial]) -> datetime:
    """Count trials in the order in which they ended; returns the time of the last end."""
    ended = sorted(history, key=lambda trial: str(trial["refresh_time"]))
    for trial in ended:
        progress.tell(trial)
    last = trials.as_utc(ended[-1]["refresh_time"]) if ended else None
    return last or datetime.now(UTC)
