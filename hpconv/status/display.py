"""Live status display: a panel on a terminal, log lines elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hpconv.status.record import Show, Status
from hpconv.status.render import line, panel, plain
from hpconv.status.snapshot import not_begun, read

REFRESH_SECONDS = 1.0
LINE_SECONDS = 5.0  # between two log lines

log = logging.getLogger(__name__)


@contextlib.contextmanager
def shown() -> Iterator[Show]:
    """A function that shows each status of a driver on stderr."""
    console = Console(stderr=True)
    if not _is_screen(console):
        yield Lines()
        return
    with _screen(console) as screen, _logging_above():
        yield lambda status: screen.update(panel(status), refresh=True)


class Lines:
    """Logs a status every five seconds, and the last one."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, status: Status) -> None:
        now = time.monotonic()
        if status.is_over or now - self._last >= LINE_SECONDS:
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
    """Print the status of an experiment's search every second until it is over."""
    console = Console()
    if _is_screen(console):
        with _screen(console) as screen:
            for status in _statuses(folder):
                screen.update(panel(status) if status else Text(not_begun(folder)), refresh=True)
        return
    last = None
    for status in _statuses(folder):
        text = line(status) if status else not_begun(folder)
        if text != last:
            print(text, flush=True)
        last = text


def _statuses(folder: Path) -> Iterator[Status | None]:
    while True:
        status = read(folder)
        yield status
        if status and status.is_over:
            return
        time.sleep(REFRESH_SECONDS)


def _is_screen(console: Console) -> bool:
    return console.file.isatty() and not console.is_dumb_terminal


def _screen(console: Console) -> Live:
    return Live(console=console, auto_refresh=False)


@contextlib.contextmanager
def _logging_above() -> Iterator[None]:
    """Send log lines through the screen, which keeps its panel below them."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)
