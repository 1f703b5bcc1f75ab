"""Processes that never outlive their parent, and leave in order when they are told to."""

import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # for driver and workers
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to end the calling process when its parent is gone (Linux only)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def owner_name() -> str:
    """Who works on a trial: host, process, a token, and the scheduler's job if there is one.

    The token tells apart containers, whose hosts and processes may have the same names.
    """
    parts = [socket.gethostname(), str(os.getpid()), secrets.token_hex(3)]
    return ":".join(filter(None, [*parts, os.environ.get("PBS_JOBID")]))


def host_of(owner: str) -> str:
    """The host of who works on a trial, hyperopt's workers included."""
    return owner.partition(":")[0]


def shell_status(signum: int) -> int:
    """The exit status of a process that a signal has ended, as shells say it."""
    return 128 + signum


def exit_on_signals(*numbers: signal.Signals, status: Callable[[int], int] = shell_status) -> None:
    """Make the first of these signals raise SystemExit(status(number)); status may wait.

    The signals that follow are ignored: nothing may interrupt the clean-up.
    """

    def leave(signum: int, frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(status(signum))

    for number in numbers:
        signal.signal(number, leave)
