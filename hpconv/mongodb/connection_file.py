"""The connection file: how to reach the server of a run, or why there is none."""

import json
import os
import pwd
import socket
import stat
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hpconv.errors import UserError
from hpconv.files import write_atomically
from hpconv.mongodb.client import address, answers
from hpconv.mongodb.network import LOOPBACK_NETWORK
from hpconv.processes import poll_until

AWAIT_SECONDS = 600
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class ServerRecord:
    """Contents of a connection file; neither URI nor error if it is absent or damaged.

    Attributes:
        uri: of the server, with the password.
        error: why the server failed.
        external: whether the server runs independently of hpconv.
        host: on which the file was written.
        pid: of the process that wrote it.
        started: when it was written, ISO 8601, UTC.
    """

    uri: str | None = None
    error: str | None = None
    external: bool = False
    host: str = ""
    pid: int = 0
    started: str = ""

    def is_ours(self) -> bool:
        """Whether this process wrote it."""
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())


def publish(
    connection: Path, *, uri: str | None = None, error: str | None = None, external: bool = False
) -> None:
    """Write the connection file, readable by its owner only."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    record = ServerRecord(uri, error, external, socket.gethostname(), os.getpid(), started)
    content = {name: value for name, value in asdict(record).items() if value is not None}
    write_atomically(connection, json.dumps(content), mode=0o600)


def withdraw(connection: Path) -> None:
    """Remove the connection file if this process wrote it."""
    if published(connection).is_ours():
        connection.unlink(missing_ok=True)


def read(connection: Path) -> ServerRecord:
    """Read the connection file.

    Raises:
        FileNotFoundError: if it is absent.
        UserError: if another user owns it or may write to it.
    """
    try:
        with connection.open("rb") as file:
            _check_private(connection, os.fstat(file.fileno()))
            content = json.load(file)
    except PermissionError:
        _check_private(connection, connection.stat())
        raise
    except ValueError:
        return ServerRecord()
    known = ServerRecord.__dataclass_fields__.keys() & content if isinstance(content, dict) else ()
    return ServerRecord(**{name: content[name] for name in known})


def _check_private(connection: Path, status: os.stat_result) -> None:
    # who writes this file names the server, whose objective is unpickled and so runs as its reader
    if status.st_uid != os.geteuid():
        raise UserError(
            f"{connection} belongs to {_user_name(status.st_uid)}, not to you "
            f"({_user_name(os.geteuid())}): its owner could run code as you; use a folder of your "
            "own, or give a server that you trust with --mongo HOST:PORT/DATABASE"
        )
    if status.st_mode & OTHERS_MAY_WRITE:
        raise UserError(
            f"{connection} has mode {stat.S_IMODE(status.st_mode):04o}, so that other users may "
            "write to it and run code as you: stop the server, delete the file and start again"
        )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def published(connection: Path) -> ServerRecord:
    """The connection file's record, empty if the file is absent.

    Raises:
        UserError: if another user owns the file or may write to it.
    """
    try:
        return read(connection)
    except FileNotFoundError:
        return ServerRecord()


def await_server(connection: Path) -> str:
    """Wait until a server answers; returns its URI.

    Raises:
        UserError: if it failed to start, cannot be reached from this host, or does not answer
            in time.
    """

    def answering_uri() -> str | None:
        record = published(connection)
        if record.error is not None:
            raise UserError(record.error)
        check_visible(record, connection)
        return record.uri if record.uri is not None and answers(record.uri) else None

    uri = poll_until(answering_uri, AWAIT_SECONDS)
    if uri is None:
        raise UserError(
            f"no server has answered at the address in {connection} for {AWAIT_SECONDS} s: see "
            "the server's log"
        )
    return uri


def check_visible(record: ServerRecord, connection: Path) -> None:
    """Raise UserError if the server of this connection file cannot be reached from this host."""
    here = socket.gethostname()
    if record.uri is None or record.host == here or record.external:
        return
    if address(record.uri).startswith(LOOPBACK_NETWORK):
        raise UserError(
            f"the server of {connection} accepts connections on its own host {record.host} only, "
            f"this is {here}: set config key 'database.bind' to the network interface that both "
            "hosts share, such as ib0"
        )
