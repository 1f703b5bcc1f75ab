"""Reaching the server of a run: the file that says where it is, and whether it answers."""

import contextlib
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from hpconv.errors import UserError
from hpconv.files import read_json, write_atomically
from hpconv.mongodb.network import LOOPBACK_NETWORK

ANSWER_SECONDS, AWAIT_SECONDS = 2, 600

Client = MongoClient[dict[str, Any]]
Content = dict[str, Any]


def client_of(uri: str, seconds: float) -> Client:
    """A client that looks for its server for so long; close it, as its threads go on looking."""
    return MongoClient(uri, serverSelectionTimeoutMS=int(1000 * seconds))


def ping(uri: str, seconds: float) -> None:
    """Return when the server has answered.

    Raises:
        PyMongoError: when it did not, or does not know the password.
        UserError: when a certificate that the URI names cannot be read.
    """
    try:
        with client_of(uri, seconds) as client:
            client.admin.command("ping")
    except OSError as error:
        raise UserError(f"the server at {address(uri)} cannot be asked: {error}") from error


def answers(uri: str, seconds: float = ANSWER_SECONDS) -> bool:
    """Whether the server answers, and is the one whose password this is.

    Raises:
        UserError: when a certificate that the URI names cannot be read.
    """
    with contextlib.suppress(PyMongoError):
        ping(uri, seconds)
        return True
    return False


def address(uri: str) -> str:
    """Host and port of a URI, without its password."""
    return urlsplit(uri).netloc.rpartition("@")[2]


def publish(connection: Path, **content: object) -> None:
    """Write what others need to know of a server, for the owner's eyes only."""
    origin = _origin() | {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomically(connection, json.dumps(content | origin), mode=0o600)


def withdraw(connection: Path) -> None:
    """Remove what this process has published; another's is left alone."""
    if _origin().items() <= published(connection).items():
        connection.unlink(missing_ok=True)


def _origin() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def published(connection: Path) -> Content:
    """What a connection file says: nothing if it is absent or unreadable."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return dict(read_json(connection))
    return {}


def await_server(connection: Path) -> str:
    """The server's URI, as soon as it answers.

    Raises:
        UserError: when it failed to start, cannot be asked, or does not answer in time.
    """
    deadline = time.monotonic() + AWAIT_SECONDS
    while time.monotonic() < deadline:
        uri = _published_uri(connection)
        if uri is not None and answers(uri):
            return uri
        time.sleep(0.2)
    raise UserError(
        f"no server answers at what {connection} says, in {AWAIT_SECONDS} s: see its log"
    )


def await_address(connection: Path, minutes: float, failure: Path) -> None:
    """Return when a server says where it is; its job may have to wait in a queue.

    The machine where a workflow is started need not reach it, so that it is not asked.

    Args:
        failure: a file that appears when the server's job has failed.

    Raises:
        UserError: when it failed to start, or has not started in time.
    """
    deadline = time.monotonic() + 60 * minutes
    while _published_uri(connection, visible=False) is None:
        if failure.exists():
            raise UserError("there will be no server: the job of server and driver has failed")
        if time.monotonic() > deadline:
            raise UserError(
                f"no server has started in {minutes:g} minutes (search.patience_minutes): see the "
                "queue, and the log of the job of server and driver"
            )
        time.sleep(0.2)


def _published_uri(connection: Path, visible: bool = True) -> str | None:
    content = published(connection)
    if "error" in content:
        raise UserError(content["error"])
    if "uri" not in content:
        return None
    if visible:
        _check_visible(content, connection)
    return str(content["uri"])


def _check_visible(content: Content, connection: Path) -> None:
    here, there = socket.gethostname(), content["host"]
    if (
        there != here
        and address(content["uri"]).startswith(LOOPBACK_NETWORK)
        and not content["external"]
    ):
        raise UserError(
            f"the server of {connection} listens on {there} for {there} only, this is {here}: set "
            "config key 'database.bind' to the network interface that both are on, such as ib0"
        )
