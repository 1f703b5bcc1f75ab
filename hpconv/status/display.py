"""Status after status for a person who waits: a panel where there is a terminal, else lines."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hpconv.status.render import line, panel, plain
from hpconv.status.snapshot import Show, Status, not_begun, read

LOOK_SECONDS = 1.0
LINE_SECONDS = 5.0
OVER = ("ended", "failed")

log = logging.getLogger(__name__)


@contextlib.contextmanager
def shown() -> Iterator[Show]:
    """What shows the statuses of a driver, on its stderr."""
    console = Console(stderr=True)
    if not _is_screen(console):
        yield Lines()
        return
    with _screen(console) as screen, _logging_above():
        yield lambda status: screen.update(panel(status), refresh=True)


class Lines:
    """Logs a status now and then, and the last one."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, status: Status) -> None:
        now = time.monotonic()
        if status["state"] in OVER or now - self._last >= LINE_SECONDS:
            self._last = now
            log.info("%s", line(status))


def show(status: Status) -> None:
    """Print a status."""
    console = Console()
    if _is_screen(console):
        console.print(panel(status))
    else:
        Console(force_terminal=False, color_system=None).print(plain(status))


def watch(folder: Path) -> None:
    """Print how an experiment's search is, again and again until it is over."""
    console = Console()
    if _is_screen(console):
        with _screen(console) as screen:
            for status in _statuses(folder):
                what = panel(status) if status else Text(not_begun(folder))
                screen.update(what, refresh=True)
        return
    last = None
    for status in _statuses(folder):
        said = line(status) if status else not_begun(folder)
        if said != last:
            print(said, flush=True)
        last = said


def _statuses(folder: Path) -> Iterator[Status | None]:
    while True:
        status = read(folder)
        yield status
        if status and status["state"] in OVER:
            return
        time.sleep(LOOK_SECONDS)


def _is_screen(console: Console) -> bool:
    return console.file.isatty() and not console.is_dumb_terminal


def _screen(console: Console) -> Live:
    return Live(console=console, auto_refresh=False)


@contextlib.contextmanager
def _logging_above() -> Iterator[None]:
    """Send what is logged through the screen, which keeps its panel below it."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)
