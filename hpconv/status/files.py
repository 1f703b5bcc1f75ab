"""The files of a search that runs, for anyone to read: its status, and its trials so far."""

import errno
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from hpconv.files import replacing
from hpconv.status.snapshot import Status
from hpconv.trials import Trial

READABLE = 0o644

log = logging.getLogger(__name__)


class StatusFiles:
    """``status.json`` and ``trials.jsonl`` of one driver; trouble with them ends no search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unwritten: list[Trial] = []
        self._file: tuple[int, int] | None = None  # trials.jsonl: inode, and bytes in whole lines
        self._warned = False

    def add(self, ended: Iterable[Trial]) -> None:
        """Take trials that have ended, for the next time that there is something to write."""
        self._unwritten += ended

    def write(self, status: Status) -> None:
        """Write trials and status; what the disk does not take is tried again the next time."""
        try:
            self._write_trials(self._folder / "trials.jsonl")
            _write(self._folder / "status.json", [json.dumps(status, indent=2) + "\n"])
        except OSError as error:
            if not self._warned:
                log.warning("no status is written, the search goes on: %s", error)
            self._warned = True

    def _write_trials(self, path: Path) -> None:
        lines = map(as_line, self._unwritten)
        if self._file is None:
            self._file = _write(path, lines)
        elif self._unwritten:
            self._file = _append(path, "".join(lines).encode(), *self._file)
        self._unwritten.clear()


def as_line(trial: Trial) -> str:
    """A trial from the database as a line of a file."""
    document = {key: value for key, value in trial.items() if key != "_id"}
    return json.dumps(document, default=str) + "\n"


def _write(path: Path, lines: Iterable[str]) -> tuple[int, int]:
    """Write a whole file that all may read; returns its inode and size."""
    with replacing(path) as unfinished:
        with unfinished.open("w") as file:
            file.writelines(lines)
        unfinished.chmod(READABLE)
        written = unfinished.stat()
        return written.st_ino, written.st_size


def _append(path: Path, added: bytes, inode: int, size: int) -> tuple[int, int]:
    """Add to that file, in place of the part of a line that a full disk took; the same."""
    with path.open("r+b", buffering=0) as file:
        if os.fstat(file.fileno()).st_ino != inode:
            raise OSError(errno.ESTALE, "another driver has replaced it", str(path))
        file.truncate(size)
        file.seek(size)
        if file.write(added) < len(added):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return inode, size + len(added)
