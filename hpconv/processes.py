"""Child processes that die with their parent and exit cleanly on signals; polling, heartbeats."""

import ctypes
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # for driver and workers
PR_SET_PDEATHSIG = 1  # linux/prctl.h

FIRST_REMINDER_SECONDS = 60.0

T = TypeVar("T")

log = logging.getLogger(__name__)


def die_with_parent() -> None:
    """Ask the kernel to terminate the calling process when its parent dies (Linux only)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def owner_name() -> str:
    """A unique name of this process: host, pid, a random token, and the PBS job id in a job.

    The token distinguishes containers, which may share host name and pid.
    """
    parts = [socket.gethostname(), str(os.getpid()), secrets.token_hex(3)]
    return ":".join(filter(None, [*parts, os.environ.get("PBS_JOBID")]))


def host_of(owner: str) -> str:
    """The host in an owner's name; hyperopt's workers have names that begin alike."""
    return owner.partition(":")[0]


def shell_status(signum: int) -> int:
    """The exit status that shells report for a process ended by this signal."""
    return 128 + signum


def exit_on_signals(*numbers: signal.Signals, status: Callable[[int], int] = shell_status) -> None:
    """Make the first of these signals raise SystemExit(status(number)); status may block.

    Later signals are ignored, so that they cannot interrupt the clean-up. SIGINT is handled also
    where a shell has let its background jobs ignore it; SIGHUP stays ignored under nohup.
    """
    handled = [
        number
        for number in numbers
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]

    def leave(signum: int, frame: object) -> None:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(status(signum))

    for number in handled:
        signal.signal(number, leave)


def poll_until(condition: Callable[[], T], seconds: float, pause: float = 0.2) -> T:
    """Call condition until its result is true or the seconds have passed; returns that result."""
    deadline = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return result


class Reminder:
    """Logs what a process waits for: after a minute, then each time after twice as long."""

    def __init__(self) -> None:
        self._begun, self._next = time.monotonic(), FIRST_REMINDER_SECONDS

    def tick(self, message: str) -> None:
        """Log the message if it is time."""
        waited = time.monotonic() - self._begun
        if waited >= self._next:
            log.warning("%s (for %.0f minutes)", message, waited / 60)
            self._next *= 2


class Pulse:
    """Watches a file that a living process changes; clocks of other hosts do not matter."""

    def __init__(self) -> None:
        self._content, self._since = b"", time.monotonic()

    def silent_seconds(self, file: Path) -> float:
        """Seconds for which the file has been the same, as far as this process has seen."""
        content = file.read_bytes() if file.exists() else b""
        if content != self._content:
            self._content, self._since = content, time.monotonic()
        return time.monotonic() - self._since
