"""A status for people: one line for a log, a panel for a terminal."""

from collections import Counter
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpconv.status.snapshot import Status

NAMED_HOSTS = 4  # in a line; a panel has them all
COLOURS = {"searching": "cyan", "ended": "green", "failed": "red", "silent": "yellow"}


def line(status: Status) -> str:
    """A status in one line."""
    trials = f"{_finished(status)} trials: {_counts(status)}"
    lost = f"{_lost(status)} to failures" if status["seconds_lost"] >= 1 else None
    parts = [trials, f"best error {_best(status)}", _speed(status), _crew(status), lost]
    return "; ".join(part for part in [*parts, _end(status)] if part)


def plain(status: Status) -> RenderableType:
    """A status as lines, for a file."""
    title = f"{status['experiment']}: {status['state']}, {_finished(status)} trials"
    return Group(Text(title), _facts(status), *_workers(status))


def panel(status: Status) -> RenderableType:
    """A status as a box with a bar, for a terminal."""
    colour = COLOURS[status["state"]]
    done, most = _done(status), status["trials"]["max"]
    bar = Table.grid(padding=(0, 1), expand=True)
    progress = ProgressBar(most, done, complete_style=colour, finished_style=colour)
    bar.add_row(progress, _finished(status))
    body = Group(bar, _facts(status), *_workers(status))
    title = f"{status['experiment']}: {status['state']}"
    return Panel(body, title=Text(title), title_align="left", border_style=colour)


def duration(seconds: float) -> str:
    """A span of time, as exactly as a person needs it."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if (number := seconds / size) >= 1.5:
            return f"{number:.{int(number < 9.5 and size > 60)}f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _facts(status: Status) -> RenderableType:
    """What there is to say, a line each."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in status["failures"].items())
    facts = {
        "trials": _counts(status),
        "best error": _best(status),
        "speed": _speed(status),
        "time": f"{duration(status['seconds'])} of searching, {_lost(status)} to failures",
        "failures": kinds,
        status["state"]: _end(status, ""),
    }
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact:
            table.add_row(name, Text(fact))
    return table


def _workers(status: Status) -> list[RenderableType]:
    """A line for each host: how many workers it has, and what they do."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    age = status.get("age_seconds", 0)
    for column in ("host", "workers", "trials"):
        table.add_column(column)
    for host, found in groupby(status["workers"], lambda worker: worker["host"]):
        workers = list(found)
        table.add_row(Text(host), str(len(workers)), Text(_work(workers, age)))
    return [Text(), table] if status["workers"] else []


def _work(workers: list[dict[str, Any]], age: float) -> str:
    busy = [worker for worker in workers if worker["tid"] is not None]
    tasks = [f"{worker['tid']} for {duration(worker['trial_seconds'] + age)}" for worker in busy]
    idle = len(workers) - len(busy)
    return ", ".join([*tasks, *([f"{idle} idle"] if idle else [])])


def _done(status: Status) -> int:
    return sum(status["trials"][state] for state in ("ok", "failed", "lost"))


def _finished(status: Status) -> str:
    return f"{_done(status)}/{status['trials']['max']}"


def _counts(status: Status) -> str:
    states = ("ok", "failed", "lost", "running", "queued")
    return ", ".join(f"{status['trials'][state]} {state}" for state in states)


def _best(status: Status) -> str:
    best = status["best"]
    if best is None:
        return "none yet"
    since = ""
    if best["since"]:
        span = datetime.fromisoformat(status["written"]) - datetime.fromisoformat(best["since"])
        ago = span.total_seconds() + status.get("age_seconds", 0)
        since = f", {duration(ago)} ago"
    return f"{best['error']:.2%} (trial {best['tid']}{since})".replace("%", " %")


def _speed(status: Status) -> str | None:
    pace, left = status["trials_per_hour"], status["eta_seconds"]
    parts = [] if pace is None else [f"{pace:.0f} trials/h"]
    return ", ".join(parts if left is None else [*parts, f"{duration(left)} left"])


def _crew(status: Status) -> str | None:
    """How many workers there are, and where."""
    hosts = Counter(worker["host"] for worker in status["workers"])
    if status["state"] != "searching":
        return None
    workers = f"{hosts.total()} worker{'s' * (hosts.total() != 1)}"
    if len(hosts) > NAMED_HOSTS:
        return f"{workers} on {len(hosts)} hosts"
    numbers = set(hosts.values())
    if len(hosts) > 1 and len(numbers) == 1:
        return f"{workers} on {', '.join(hosts)} ({numbers.pop()} each)"
    named = [f"{host} ({n})" if len(hosts) > 1 else host for host, n in hosts.items()]
    return f"{workers} on {', '.join(named)}" if hosts else "no worker"


def _lost(status: Status) -> str:
    return f"{duration(status['seconds_lost'])} lost"


def _end(status: Status, before: str | None = None) -> str | None:
    """Why a search is over, or seems to be."""
    state = status["state"]
    if state == "silent":
        age = duration(status["age_seconds"])
        why = f"its driver has written nothing for {age}: see logs/driver.log"
    else:
        why = status["reason"]
    return why and (f"{state}: {why}" if before is None else why)
