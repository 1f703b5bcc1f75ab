"""A status as text: one line for a log, a panel for a terminal."""

from collections import Counter
from itertools import groupby

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpconv.errors import visible
from hpconv.status.record import Status, WorkerStatus

NAMED_HOSTS = 4  # most hosts that a line names; a panel names all
COLOURS = {"searching": "cyan", "ended": "green", "failed": "red", "silent": "yellow"}


def line(status: Status) -> str:
    """A status in one line."""
    trials = f"{_finished(status)} trials: {_counts(status)}"
    wasted = status.seconds_spent.get("failed", 0.0)
    lost = f"{duration(wasted)} lost to failures" if wasted >= 1 else None
    parts = [trials, f"best error {_best(status)}", _speed(status), _hosts(status), lost]
    reason = _reason(status)
    end = f"{status.state}: {reason}" if reason else None
    return visible("; ".join(part for part in [*parts, end] if part))


def plain(status: Status) -> RenderableType:
    """A status as lines, for a file."""
    title = f"{status.experiment}: {status.state}, {_finished(status)} trials"
    return Group(Text(visible(title)), _facts(status), *_workers(status))


def panel(status: Status) -> RenderableType:
    """A status as a box with a bar, for a terminal."""
    colour = COLOURS[status.state]
    bar = Table.grid(padding=(0, 1), expand=True)
    progress = ProgressBar(
        status.trials.max, status.trials.finished, complete_style=colour, finished_style=colour
    )
    bar.add_row(progress, _finished(status))
    body = Group(bar, _facts(status), *_workers(status))
    title = f"{status.experiment}: {status.state}"
    return Panel(body, title=Text(visible(title)), title_align="left", border_style=colour)


def duration(seconds: float) -> str:
    """A duration in the largest unit of which it has 1.5 or more."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if (number := seconds / size) >= 1.5:
            return f"{number:.{int(number < 9.5 and size > 60)}f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _facts(status: Status) -> RenderableType:
    """The facts about a search, one in each line."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in status.failures.items())
    facts = {
        "trials": _counts(status),
        "best error": _best(status),
        "speed": _speed(status),
        "time": f"{duration(status.seconds)} of searching",
        "worker time": _spent(status),
        "failures": kinds,
        "redraws": f"{status.redraws} suggestions" if status.redraws else None,
        status.state: _reason(status),
    }
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact:
            table.add_row(name, Text(visible(fact)))
    return table


def _workers(status: Status) -> list[RenderableType]:
    """A table of hosts: number of workers and their trials."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("host", "workers", "trials"):
        table.add_column(column)
    for host, found in groupby(status.workers, lambda worker: worker.host):
        workers = list(found)
        table.add_row(
            Text(visible(host)), str(len(workers)), Text(_current_trials(workers, _age(status)))
        )
    return [Text(), table] if status.workers else []


def _current_trials(workers: list[WorkerStatus], age: float) -> str:
    busy = [worker for worker in workers if worker.tid is not None]
    tasks = [f"{worker.tid} for {duration((worker.trial_seconds or 0) + age)}" for worker in busy]
    idle = len(workers) - len(busy)
    return ", ".join([*tasks, *([f"{idle} idle"] if idle else [])])


def _age(status: Status) -> float:
    return status.age_seconds or 0.0


def _finished(status: Status) -> str:
    return f"{status.trials.finished}/{status.trials.max}"


def _counts(status: Status) -> str:
    stopped = ("stopped",) if status.trials.stopped else ()
    states = ("ok", *stopped, "failed", "lost", "running", "queued")
    return ", ".join(f"{getattr(status.trials, state)} {state}" for state in states)


def _best(status: Status) -> str:
    best = status.best
    if best is None:
        return "none yet"
    since = ""
    if best.since:
        seconds = (status.written - best.since).total_seconds() + _age(status)
        since = f", {duration(seconds)} ago"
    return f"{best.error:.2%} (trial {best.tid}{since})".replace("%", " %")


def _speed(status: Status) -> str | None:
    pace, left = status.trials_per_hour, status.eta_seconds
    parts = [] if pace is None else [f"{pace:.0f} trials/h"]
    return ", ".join(parts if left is None else [*parts, f"{duration(left)} left"])


def _hosts(status: Status) -> str | None:
    """The number of workers, and on which hosts."""
    hosts = Counter(worker.host for worker in status.workers)
    if status.state != "searching":
        return None
    workers = f"{hosts.total()} worker{'s' * (hosts.total() != 1)}"
    if len(hosts) > NAMED_HOSTS:
        return f"{workers} on {len(hosts)} hosts"
    numbers = set(hosts.values())
    if len(hosts) > 1 and len(numbers) == 1:
        return f"{workers} on {', '.join(hosts)} ({numbers.pop()} each)"
    named = [f"{host} ({n})" if len(hosts) > 1 else host for host, n in hosts.items()]
    return f"{workers} on {', '.join(named)}" if hosts else "no worker"


def _spent(status: Status) -> str | None:
    """Worker time, and the share of each step of successful trials, of others as a whole."""
    spent = status.seconds_spent
    total = sum(spent.values())
    if not total:
        return None
    shares = [f"{seconds / total:.0%} {what}" for what, seconds in spent.items() if seconds]
    return f"{duration(total)}: {', '.join(shares)}".replace("%", " %")


def _reason(status: Status) -> str | None:
    """Why a search is over, or seems to be."""
    if status.state != "silent":
        return status.reason
    age = duration(_age(status))
    return f"the driver has written nothing for {age}: see logs/driver.log"
