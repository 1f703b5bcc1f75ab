"""The files of a running search, readable by all users: its status and its trials so far."""

import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hpconv.files import no_links, private_name, replacing
from hpconv.status.record import Status
from hpconv.trials import Trial

READABLE = 0o644
MAX_UNWRITTEN = 500  # trials in memory

log = logging.getLogger(__name__)


class StatusFiles:
    """``status.json`` and ``trials.jsonl`` of one driver; write errors never stop the search.

    Until the first status, when the driver has read all earlier trials, they are in a private file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trials = folder / "trials.jsonl"
        self._private: Path | None = private_name(self._trials)
        self._unwritten: list[str] = []  # lines
        self._inode, self._size = 0, 0  # of the file of trials
        self._warned = False

    def add(self, ended: Iterable[Trial]) -> None:
        """Add trials that have ended; the next call of ``write`` writes them."""
        self._unwritten += map(as_line, ended)
        if len(self._unwritten) >= MAX_UNWRITTEN:
            with self._surviving():
                self._append()

    def write(self, status: Status) -> None:
        """Write trials and status; what cannot be written is written by the next call."""
        with self._surviving():
            if self._private and status.state == "failed":  # not all earlier trials are known
                self._private.unlink(missing_ok=True)
            else:
                self._append()
                self._publish()
            with replacing(self._folder / "status.json") as unfinished:
                unfinished.write_text(json.dumps(status.to_json(), indent=2) + "\n")
                unfinished.chmod(READABLE)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._warned:
                log.warning("no status is written, the search continues: %s", error)
            self._warned = True

    def _append(self) -> None:
        """Append what is unwritten to the first bytes of the file, which are whole lines.

        What follows them is part of a line, written when the disk was full.
        """
        if not self._inode:
            self._create()
        if not self._unwritten:
            return
        added = "".join(self._unwritten).encode()
        path = self._private or self._trials
        with path.open("r+b", buffering=0) as file:
            if os.fstat(file.fileno()).st_ino != self._inode:
                raise OSError(errno.ESTALE, "another driver has replaced it", str(path))
            file.truncate(self._size)
            file.seek(self._size)
            if file.write(added) < len(added):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._size += len(added)
        self._unwritten.clear()

    def _create(self) -> None:
        assert self._private is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._private, "xb", opener=no_links(READABLE)) as file:
            os.fchmod(file.fileno(), READABLE)  # whatever the umask
            self._inode = os.fstat(file.fileno()).st_ino

    def _publish(self) -> None:
        if self._private:
            self._private.replace(self._trials)
            self._private = None


def as_line(trial: Trial) -> str:
    """A trial of the database as a line of JSON, with its active hyperparameters only."""
    active = {label: values for label, values in trial["misc"]["vals"].items() if values}
    misc = {key: value for key, value in trial["misc"].items() if key != "idxs"} | {"vals": active}
    document = {key: value for key, value in trial.items() if key != "_id"} | {"misc": misc}
    return json.dumps(document, default=str, separators=(",", ":")) + "\n"
