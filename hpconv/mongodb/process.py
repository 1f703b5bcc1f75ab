"""One mongod process: starting, watching and stopping it, and the reason why it ended."""

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hpconv.errors import UserError
from hpconv.mongodb.binary import MongodBinary
from hpconv.mongodb.client import answers
from hpconv.mongodb.server_log import ServerLog
from hpconv.processes import poll_until

START_SECONDS, STOP_SECONDS = 60, 30
PORT_IN_USE = 48  # exit status
MIN_FREE_BYTES = 2**20  # mongod cannot continue with less
DISK_FULL_SECONDS = 10.0  # mongod usually exits by then, but hangs if it cannot write its log


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        dbpath: folder of the database.
        log: log file of mongod.
        binary: path of a mongod, instead of the one that is found.
        bind: network interface or address to listen on, besides loopback.
    """

    dbpath: Path
    log: Path
    binary: str | None = None
    bind: str | None = None


class Interrupted(Exception):
    """mongod has ended for a reason that a restart may not meet again, such as a signal."""


class Mongod:
    """A mongod process as a context manager: entered when it answers, stopped at the end.

    Attributes:
        uri: at which it answers, with the password.
    """

    def __init__(
        self, binary: MongodBinary, settings: ServerSettings, uri: str, options: Sequence[str]
    ) -> None:
        self.uri = uri
        self._settings = settings
        self._log = ServerLog(settings.log)
        self._last_free_space = time.monotonic()
        self._process = binary.start(*options)

    def __enter__(self) -> "Mongod":
        """Wait until it answers.

        Raises:
            Interrupted, UserError: if it has ended, or does not answer in time.
        """
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_answer(self) -> None:
        def answered() -> bool:
            if not self.is_running():
                raise UserError("mongod was stopped before it answered")
            return answers(self.uri, seconds=0.2)

        if not poll_until(answered, START_SECONDS, pause=0.02):
            raise UserError(f"mongod did not answer in {START_SECONDS} s: see {self._settings.log}")

    def is_running(self) -> bool:
        """Whether it runs; False after a regular shutdown.

        Raises:
            Interrupted: if a signal has ended it.
            UserError: if it has ended for a reason that would recur.
        """
        code = self._process.poll()
        if code is None and self._hangs():
            code = self._kill()
        if not code:
            return code is None
        if full := self._disk_full_reason():
            raise UserError(
                f"the disk of {self._settings.dbpath} is full ({full}): free some space and start "
                "again; everything that the server had acknowledged is kept"
            )
        if code < 0:
            raise Interrupted(f"mongod was ended by signal {-code} ({signal.strsignal(-code)})")
        if code == PORT_IN_USE:  # it was free a moment ago
            raise Interrupted("the port chosen for mongod was taken by another program")
        reason = self._log.last_error() or f"exit status {code}"
        raise UserError(f"mongod ended: {reason}; see the end of {self._settings.log}")

    def _disk_full_reason(self) -> str | None:
        """How a full disk shows, if it may be why mongod has ended."""
        if message := self._log.disk_full_message():
            return message
        # the log may be on the same disk, and lack the message
        free = self._free_bytes()
        return f"{free} bytes are free" if free < MIN_FREE_BYTES else None

    def _hangs(self) -> bool:
        now = time.monotonic()
        if self._free_bytes() >= MIN_FREE_BYTES:
            self._last_free_space = now
        return now - self._last_free_space > DISK_FULL_SECONDS

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._settings.dbpath).free

    def stop(self) -> None:
        """Shut it down; kill it if that takes too long."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> int:
        self._process.kill()
        return self._process.wait()
