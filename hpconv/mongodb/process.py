"""One mongod: a process that never outlives its parent, and why it ended."""

import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hpconv.errors import UserError
from hpconv.mongodb.binary import Environment
from hpconv.mongodb.connection_file import answers
from hpconv.processes import die_with_parent

START_SECONDS, STOP_SECONDS = 60, 30
PORT_IN_USE = 48  # exit status
EXIT_CODES = {100: "another mongod uses this database folder"}
FULL = ("No space left on device", "Disk quota exceeded")
LAST_WORDS = 2**20  # bytes of the log; mongod ends it with long backtraces
NO_ROOM = 2**20  # bytes with which mongod cannot go on
FULL_SECONDS = 10.0  # mongod mostly ends then, but hangs when it cannot write why into its log


@dataclass(frozen=True)
class ServerSettings:
    """What a server is started with."""

    dbpath: Path
    log: Path
    binary: str | None = None
    bind: str | None = None


class Interrupted(Exception):
    """Mongod has ended for a reason that a new start may not meet again, such as a signal."""


class Mongod:
    """A mongod process, which never outlives its parent."""

    def __init__(
        self, settings: ServerSettings, environment: Environment, command: list[str]
    ) -> None:
        self._settings = settings
        self._log_start = settings.log.stat().st_size if settings.log.exists() else 0
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops it in order
            preexec_fn=die_with_parent,
        )
        self._room_seen = time.monotonic()

    def runs(self) -> bool:
        """Whether it runs; False when someone has stopped it in order.

        Raises:
            Interrupted: when a signal has ended it.
            UserError: when it has ended for another reason, which would come again.
        """
        code = self._process.poll()
        if code is None and self._hangs():
            code = self._kill()
        if not code:
            return code is None
        if full := self._full_disk():
            raise UserError(
                f"the disk of {self._settings.dbpath} is full ({full}): make room and start "
                "again, what the server had acknowledged is kept"
            )
        if code < 0:
            raise Interrupted(f"mongod was ended by signal {-code} ({signal.strsignal(-code)})")
        if code == PORT_IN_USE:  # it was free a moment ago
            raise Interrupted("the port chosen for mongod was taken by another program")
        reason = EXIT_CODES.get(code, f"exit status {code}")
        raise UserError(f"mongod ended: {reason}; its last words are in {self._settings.log}")

    def _full_disk(self) -> str | None:
        """The words for it, if a full disk is why it ended."""
        if self._settings.log.exists():
            with self._settings.log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(self._log_start, size - LAST_WORDS))
                last_words = file.read().decode(errors="replace")
            if found := next((words for words in FULL if words in last_words), None):
                return found
        # the log may be on the same disk, and lack the words
        free = self._free()
        return f"{free} bytes are free" if free < NO_ROOM else None

    def _hangs(self) -> bool:
        now = time.monotonic()
        if self._free() >= NO_ROOM:
            self._room_seen = now
        return now - self._room_seen > FULL_SECONDS

    def _free(self) -> int:
        """Bytes on the disk of the database."""
        return shutil.disk_usage(self._settings.dbpath).free

    def await_answer(self, uri: str) -> None:
        """Return when it answers.

        Raises:
            Interrupted, UserError: when it has ended, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.runs():
                raise UserError("mongod was stopped before it answered")
            if answers(uri, seconds=0.2):
                return
        raise UserError(f"mongod did not answer in {START_SECONDS} s, see {self._settings.log}")

    def stop(self) -> None:
        """End it, in order if it can."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> int:
        self._process.kill()
        return self._process.wait()
