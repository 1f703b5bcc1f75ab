"""The runs of the workflow in one folder: several may live side by side, and some were killed.

A run is a process on a host. It has a folder for its jobs' files, named by its token, and in it a
heartbeat: a file that the process rewrites, and removes when it ends.
"""

import json
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from hpconv.files import write_atomically
from hpconv.processes import poll_until

BEAT_SECONDS = 10.0
# after these without a heartbeat a process on another host has ended; NFS may hide changes for 60 s
SILENT_SECONDS = 120.0


class Heartbeat(NamedTuple):
    """The content of a heartbeat file: a process, and when it was alive (UNIX time)."""

    host: str
    pid: int
    started: float
    beat: float


class Heart:
    """The heartbeat of this process."""

    def __init__(self, file: Path) -> None:
        self._file, self._last = file, float("-inf")

    def beat(self) -> None:
        """Write the heartbeat if it is due."""
        if time.monotonic() - self._last < BEAT_SECONDS:
            return
        self._last = time.monotonic()
        process = psutil.Process()
        record = Heartbeat(socket.gethostname(), os.getpid(), process.create_time(), time.time())
        write_atomically(self._file, json.dumps(record))


def is_alive(file: Path) -> bool:
    """Whether the process of a heartbeat file lives; on another host it is watched for a while."""
    try:
        first = Heartbeat(*json.loads(file.read_text()))
    except FileNotFoundError:  # it has ended
        return False
    if first.host != socket.gethostname():
        return poll_until(lambda: _beat(file) != first.beat, SILENT_SECONDS, BEAT_SECONDS / 10)
    try:
        return abs(psutil.Process(first.pid).create_time() - first.started) < 1
    except psutil.NoSuchProcess:
        return False


def _beat(file: Path) -> float | None:
    return Heartbeat(*json.loads(file.read_text())).beat if file.exists() else None
