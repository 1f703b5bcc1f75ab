"""How a search is, from the files of its experiment: no server, no password."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpconv import trials
from hpconv.errors import UserError
from hpconv.files import read_json
from hpconv.status.progress import Progress

STATUS = Path("live", "status.json")  # by the driver, while it searches
SILENT_SECONDS = 30.0  # after which a driver that should be searching may be gone
SHOWS = (str(STATUS), "search.json", "logs")  # one of which an experiment has that has begun

Status = dict[str, Any]
Show = Callable[[Status], None]


def read(folder: Path) -> Status | None:
    """How an experiment's search is by now, None when it has not begun.

    Args:
        folder: of the experiment, ``results/<experiment>``.

    Returns:
        what ``live/status.json`` says, with ``age_seconds`` since then, and the state ``silent``
        for a driver that has written nothing for half a minute; of a search that was over before
        there was such a file, what its history says.

    Raises:
        UserError: when the files cannot be read.
    """
    try:
        if (folder / STATUS).exists():
            return _aged(read_json(folder / STATUS), datetime.now(UTC))
        if (folder / "search.json").exists() and (folder / "trials.jsonl").exists():
            ended = read_json(folder / "search.json")
            return _aged(_of_history(folder, ended), datetime.now(UTC))
    except (PermissionError, json.JSONDecodeError) as error:
        raise UserError(f"the status of {folder} cannot be read: {error}") from None
    return None


def not_begun(folder: Path) -> str:
    """What to say of an experiment without a status, and where to look."""
    logs = sorted((folder / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime)
    where = f"see the newest log, {logs[-1]}" if logs else f"logs will be in {folder}/logs"
    return f"the search of {folder} has not begun: {where}"


def counts(progress: Progress, max_evals: int) -> Status:
    """What the trials that have ended say: a part of a status."""
    failed, lost = progress.failures.total(), progress.failures["lost"]
    best = None
    if progress.best:
        error, tid = progress.best
        best = {"error": error, "tid": tid, "since": text(progress.best_since)}
    return {
        "trials": {
            "max": max_evals,
            "ok": progress.finished - failed,
            "failed": failed - lost,
            "lost": lost,
            "running": 0,
            "queued": 0,
        },
        "failures": {kind: n for kind, n in progress.failures.most_common() if n},
        "best": best,
        "seconds_lost": round(progress.seconds_lost, 1),
    }


def text(time: datetime | None) -> str | None:
    """A time as a status says it."""
    return None if time is None else time.isoformat(timespec="seconds")


def _aged(status: Status, now: datetime) -> Status:
    written = datetime.fromisoformat(status["written"])
    age = max(0.0, (now - written).total_seconds())  # clocks of two machines may disagree a bit
    silent = status["state"] == "searching" and age > SILENT_SECONDS
    return status | {"age_seconds": round(age, 1)} | ({"state": "silent"} if silent else {})


def _of_history(folder: Path, ended: dict[str, Any]) -> Status:
    """The status of a search that is over, from its trials; without what only a driver knows."""
    progress = Progress()
    last = _tell(progress, trials.read(folder / "trials.jsonl"))
    started = progress.started or last
    seconds = (last - started).total_seconds()
    return counts(progress, ended["search"]["max_evals"]) | {
        "experiment": folder.resolve().name,
        "state": "ended",
        "reason": ended["stopped"],
        "workers": [],
        "trials_per_hour": round(3600 * progress.finished / seconds, 1) if seconds else None,
        "eta_seconds": None,
        "seconds": round(seconds, 1),
        "started": text(started),
        "written": text(last),
    }


def _tell(progress: Progress, history: list[trials.Trial]) -> datetime:
    """Tell trials in the order in which they ended; returns when the last one did."""
    ended = sorted(history, key=lambda trial: str(trial["refresh_time"]))
    for trial in ended:
        progress.tell(trial)
    last = trials.as_utc(ended[-1]["refresh_time"]) if ended else None
    return last or datetime.now(UTC)
