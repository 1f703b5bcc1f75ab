"""The supervisor of a run's server: restarts it when it is killed, stops it with the run."""

import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo.errors import InvalidURI, PyMongoError

from hpconv.errors import UserError
from hpconv.files import no_links
from hpconv.mongodb import connection_file
from hpconv.mongodb.binary import URI_VARIABLE
from hpconv.mongodb.client import address, answers, ping
from hpconv.mongodb.connection_file import ServerRecord
from hpconv.mongodb.launch import Launcher
from hpconv.mongodb.process import START_SECONDS, Interrupted, ServerSettings
from hpconv.processes import exit_on_signals

MAX_RESTARTS = 5
SIGINT_SECONDS = 1.5  # Ctrl-C reaches the workers too, which then return their trials
GRACE_SECONDS = 5  # after the end of the workflow, for results that are about to be delivered
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def serve(settings: ServerSettings, connection: Path) -> None:
    """Run a server until a signal, 'hpconv mongod stop', or the end of the parent process.

    The connection file (mode 0600) appears when the server answers, is replaced when the server
    had to be restarted, and is removed at the end.

    Raises:
        UserError: if the file belongs to a server that runs, which is left alone, or if no
            server can be started: the file then contains the reason.
    """
    supervisor = Supervisor(settings, connection)
    exit_on_signals(*STOP_SIGNALS, status=_exit_status)
    connection.parent.mkdir(parents=True, exist_ok=True)
    with _locked(connection):
        _check_unused(connection)
        supervisor.run()


def _exit_status(signum: int) -> int:
    if signum == signal.SIGINT:
        time.sleep(SIGINT_SECONDS)
    return 0


class Supervisor:
    """Keeps a server running and its connection file up to date while the parent process lives."""

    def __init__(self, settings: ServerSettings, connection: Path) -> None:
        self._settings = settings
        self._connection = connection
        self._parent = os.getppid()

    def run(self) -> None:
        """Run the server that is configured: an external one, or our own.

        Raises:
            UserError: if it fails; the connection file then contains the reason.
        """
        try:
            try:
                if uri := os.environ.get(URI_VARIABLE):
                    self._use_external(uri)
                else:
                    self._keep_running()
            finally:
                connection_file.withdraw(self._connection)  # first: frees space on a full disk
        except (UserError, PyMongoError, OSError) as error:
            self._publish_error(str(error))
            raise UserError(str(error)) from error

    def _publish_error(self, error: str) -> None:
        try:
            if not _runs(
                connection_file.published(self._connection)
            ):  # another one may run where locks do not work
                connection_file.publish(self._connection, error=error)
        except OSError as unwritten:
            log.error("%s cannot be written: %s", self._connection, unwritten)

    def _use_external(self, uri: str) -> None:
        try:
            ping(uri, START_SECONDS)
        except (ValueError, InvalidURI):  # their messages may contain a part of the password
            raise UserError(
                f"{URI_VARIABLE} cannot be read: write mongodb://user:password@host:port/ and "
                "percent-encode special characters in the password"
            ) from None
        except PyMongoError as error:
            reason = str(error).partition(" (configured timeouts")[0]
            raise UserError(f"the server of {URI_VARIABLE} does not answer: {reason}") from error
        connection_file.publish(self._connection, uri=uri, external=True)
        self._watch(lambda: True)

    def _keep_running(self) -> None:
        launcher = Launcher(self._settings)
        for _ in range(1 + MAX_RESTARTS):
            try:
                with launcher.launch() as mongod:
                    log.info("mongod answers on %s", address(mongod.uri))
                    connection_file.publish(self._connection, uri=mongod.uri)
                    self._watch(mongod.is_running)
                return
            except Interrupted as interrupted:
                reason = str(interrupted)
                log.warning("%s", reason)
        raise UserError(f"{reason}, also after {MAX_RESTARTS} restarts; see {self._settings.log}")

    def _watch(self, is_running: Callable[[], bool]) -> None:
        """Return when the server has been shut down, or the parent process has ended."""
        while is_running():
            if os.getppid() != self._parent:
                log.warning("the workflow has ended, stopping in %d s", GRACE_SECONDS)
                time.sleep(GRACE_SECONDS)
                return
            time.sleep(0.2)
        log.info("mongod was shut down")


@contextmanager
def _locked(connection: Path) -> Iterator[None]:
    """Hold the lock on the connection file; it ends with the process."""
    lock = connection.with_name(f"{connection.name}.lock")
    with open(lock, "ab", opener=no_links(0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(_already_running(connection)) from None
        except OSError as error:
            log.warning("files cannot be locked here, start only one server: %s", error)
        yield


def _already_running(connection: Path) -> str:
    uri = connection_file.published(connection).uri
    if uri is None:
        return f"another 'hpconv mongod start' is starting a server for {connection}"
    return (
        f"a server already runs at {address(uri)} ({connection}): use it, "
        f"or stop it with 'hpconv mongod stop --connection {connection}'"
    )


def _check_unused(connection: Path) -> None:
    """Raise UserError if the file's server runs. A stale file with an address stays until the
    next one replaces it: without a file, drivers and workers would take the server as stopped.
    """
    if not connection.exists():
        return
    record = connection_file.published(connection)
    if _runs(record):
        raise UserError(_already_running(connection))
    log.warning("replacing %s: its server no longer runs", connection)
    if record.uri is None:
        connection.unlink()


def _runs(record: ServerRecord) -> bool:
    # an external server answers although the process that wrote the file has ended
    return record.uri is not None and not record.external and answers(record.uri)
