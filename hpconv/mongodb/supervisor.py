"""The server of a run, kept alive while the run needs it and never left behind."""

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
from hpconv.mongodb import connection_file
from hpconv.mongodb.binary import URI_VARIABLE
from hpconv.mongodb.launch import running
from hpconv.mongodb.process import START_SECONDS, Interrupted, ServerSettings
from hpconv.processes import exit_on_signals

MAX_RESTARTS = 5
HAND_BACK_SECONDS = 1.5  # Ctrl-C reaches the workers too, they give their trials back
GRACE_SECONDS = 5  # after the end of the workflow, for results that are about to be handed in
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def serve(settings: ServerSettings, connection: Path) -> None:
    """Run a server until a signal or 'hpconv mongod stop', or until the parent process is gone.

    The file connection (mode 0600) tells the others how to reach it; it appears when the
    server answers, is replaced when the server had to be started again, and goes away with it.

    Raises:
        UserError: when the file is of a server that runs, which is left alone, or when no
            server can be had: the file then holds the reason.
    """
    parent = os.getppid()
    exit_on_signals(*STOP_SIGNALS, status=_status)
    connection.parent.mkdir(parents=True, exist_ok=True)
    with _claimed(connection), _failure_published(connection):
        try:
            _keep_running(settings, connection, parent)
        finally:
            connection_file.withdraw(connection)  # first of all: makes room on a full disk


def _status(signum: int) -> int:
    if signum == signal.SIGINT:
        time.sleep(HAND_BACK_SECONDS)
    return 0


@contextmanager
def _claimed(connection: Path) -> Iterator[None]:
    """Hold the right to write the connection file; the lock goes with the process."""
    with connection.with_name(f"{connection.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(_already(connection)) from None
        except OSError as error:
            log.warning("start one server only, files cannot be locked here: %s", error)
        _remove_stale(connection)
        yield


def _already(connection: Path) -> str:
    uri = connection_file.published(connection).get("uri")
    if uri is None:
        return f"another 'hpconv mongod start' is about to write {connection}"
    return (
        f"a server already runs at {connection_file.address(uri)} ({connection}): use it, "
        f"or stop it with 'hpconv mongod stop --connection {connection}'"
    )


def _remove_stale(connection: Path) -> None:
    if not connection.exists():
        return
    content = connection_file.published(connection)
    # an external server answers, although the process that wrote of it is gone
    if "uri" in content and not content.get("external") and connection_file.answers(content["uri"]):
        raise UserError(_already(connection))
    log.warning("%s is of a server that is gone, it is replaced", connection)
    connection.unlink()


@contextmanager
def _failure_published(connection: Path) -> Iterator[None]:
    try:
        yield
    except (UserError, PyMongoError, OSError) as error:
        try:
            if not connection.exists():  # it may be another's where files cannot be locked
                connection_file.publish(connection, error=str(error))
        except OSError as unwritten:
            log.error("%s cannot be written: %s", connection, unwritten)
        raise UserError(str(error)) from error


def _keep_running(settings: ServerSettings, connection: Path, parent: int) -> None:
    if uri := os.environ.get(URI_VARIABLE):
        _use_external(uri, connection, parent)
        return
    for _ in range(1 + MAX_RESTARTS):
        try:
            _run(settings, connection, parent)
            return
        except Interrupted as interrupted:
            reason = str(interrupted)
            log.warning("%s", reason)
    raise UserError(f"{reason}, after {MAX_RESTARTS} new starts; see {settings.log}")


def _use_external(uri: str, connection: Path, parent: int) -> None:
    try:
        connection_file.ping(uri, START_SECONDS)
    except (ValueError, InvalidURI):  # their messages may hold a part of the password
        raise UserError(
            f"{URI_VARIABLE} cannot be read: write mongodb://user:password@host:port/ and "
            "percent-encode what is special in the password"
        ) from None
    except PyMongoError as error:
        reason = str(error).partition(" (configured timeouts")[0]
        raise UserError(f"the server of {URI_VARIABLE} does not answer: {reason}") from error
    connection_file.publish(connection, uri=uri, external=True)
    _watch(lambda: True, parent)


def _run(settings: ServerSettings, connection: Path, parent: int) -> None:
    with running(settings) as (uri, mongod):
        connection_file.publish(connection, uri=uri, external=False)
        _watch(mongod.runs, parent)


def _watch(runs: Callable[[], bool], parent: int) -> None:
    while runs():
        if os.getppid() != parent:
            log.warning("the workflow is gone, stopping in %d s", GRACE_SECONDS)
            time.sleep(GRACE_SECONDS)
            return
        time.sleep(0.2)
    log.info("mongod was told to stop")
