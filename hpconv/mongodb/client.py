"""Connecting to a MongoDB server, and asking whether it answers."""

import contextlib
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from hpconv.errors import UserError

ANSWER_SECONDS = 2.0

Client = MongoClient[dict[str, Any]]


def client_of(uri: str, seconds: float) -> Client:
    """A client with this server-selection timeout. Close it: its monitor threads keep running."""
    return MongoClient(uri, serverSelectionTimeoutMS=int(1000 * seconds))


def ping(uri: str, seconds: float) -> None:
    """Return when the server has answered.

    Raises:
        PyMongoError: if it does not answer in time, or refuses the password.
        UserError: if a certificate named in the URI cannot be read.
    """
    try:
        with client_of(uri, seconds) as client:
            client.admin.command("ping")
    except OSError as error:
        raise UserError(f"cannot connect to the server at {address(uri)}: {error}") from error


def answers(uri: str, seconds: float = ANSWER_SECONDS) -> bool:
    """Whether a server answers and accepts the password.

    Raises:
        UserError: if a certificate named in the URI cannot be read.
    """
    with contextlib.suppress(PyMongoError):
        ping(uri, seconds)
        return True
    return False


def address(uri: str) -> str:
    """Host and port of a URI, without its password."""
    return urlsplit(uri).netloc.rpartition("@")[2]
