"""The files of a running search, readable by all users: its status and its trials so far."""

import errno
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from hpconv.files import replacing
from hpconv.status.record import Status
from hpconv.trials import Trial

READABLE = 0o644

log = logging.getLogger(__name__)


class StatusFiles:
    """``status.json`` and ``trials.jsonl`` of one driver; write errors never stop the search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unwritten: list[str] = []  # lines
        self._file: tuple[int, int] | None = None  # trials.jsonl: inode, and size of its lines
        self._warned = False

    def add(self, ended: Iterable[Trial]) -> None:
        """Add trials that have ended; the next call of ``write`` writes them."""
        self._unwritten += map(as_line, ended)

    def write(self, status: Status) -> None:
        """Write trials and status; what cannot be written is written by the next call."""
        try:
            self._write_trials(self._folder / "trials.jsonl")
            _write(self._folder / "status.json", [json.dumps(status.to_json(), indent=2) + "\n"])
        except OSError as error:
            if not self._warned:
                log.warning("no status is written, the search continues: %s", error)
            self._warned = True

    def _write_trials(self, path: Path) -> None:
        if self._file is None:
            self._file = _write(path, self._unwritten)
        elif self._unwritten:
            self._file = _append(path, "".join(self._unwritten).encode(), *self._file)
        self._unwritten.clear()


def as_line(trial: Trial) -> str:
    """A trial of the database as a line of JSON, with its active hyperparameters only."""
    active = {label: values for label, values in trial["misc"]["vals"].items() if values}
    misc = {key: value for key, value in trial["misc"].items() if key != "idxs"} | {"vals": active}
    document = {key: value for key, value in trial.items() if key != "_id"} | {"misc": misc}
    return json.dumps(document, default=str) + "\n"


def _write(path: Path, lines: Iterable[str]) -> tuple[int, int]:
    """Replace a file, readable by all; returns its inode and size."""
    with replacing(path) as unfinished:
        with unfinished.open("w") as file:
            file.writelines(lines)
        unfinished.chmod(READABLE)
        written = unfinished.stat()
        return written.st_ino, written.st_size


def _append(path: Path, added: bytes, inode: int, size: int) -> tuple[int, int]:
    """Append to that file after its first size bytes; returns its inode and size.

    What follows is part of a line, written when the disk was full.
    """
    with path.open("r+b", buffering=0) as file:
        if os.fstat(file.fileno()).st_ino != inode:
            raise OSError(errno.ESTALE, "another driver has replaced it", str(path))
        file.truncate(size)
        file.seek(size)
        if file.write(added) < len(added):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return inode, size + len(added)
