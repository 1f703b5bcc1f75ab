"""A connection that outlasts its server: it waits, looks the address up anew, and goes on."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure

from hpconv.mongodb.uri import DATABASE, Address

PATIENCE_SECONDS = 900.0  # for a server that is away; a restart on another host takes minutes
STOPPED_SECONDS = 20.0  # for one that took its address along: it was stopped in order
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
SELECTION_MS, SOCKET_MS = 2_000, 30_000
AUTHENTICATION_FAILED = 18  # what a new server on the old port says to the old password

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])

log = logging.getLogger(__name__)


class Connection:
    """The database of an experiment, wherever its server is by now.

    Args:
        address: gives the server's URI, again after each failure.
    """

    def __init__(self, address: Address, database: str = DATABASE) -> None:
        self._address = address
        self._database = database
        self._open(address())

    @property
    def db(self) -> Database[dict[str, Any]]:
        """The database; ask for it anew with every operation."""
        return self._client[self._database]

    def retry(self, operation: Callable[[], T]) -> T:
        """Run an operation, again and again while the server is out of reach.

        Raises:
            ConnectionFailure: when it stays away.
            UserError: when it has said why it cannot run.
        """
        away_since, pause = None, FIRST_PAUSE
        while True:
            try:
                result = operation()
            except (ConnectionFailure, OperationFailure) as error:
                if not _is_absence(error):
                    raise
                away_since = away_since or _note_absence(error)
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                self._look_up(away_since, error)
            else:
                if away_since is not None:
                    log.info("the MongoDB server is back")
                    self.reachable_since = time.monotonic()
                return result

    def close(self) -> None:
        """Let the server go."""
        self._client.close()

    def _look_up(self, away_since: float, error: Exception) -> None:
        patience = PATIENCE_SECONDS
        try:
            uri = self._address()
        except FileNotFoundError:
            uri, patience = self._uri, STOPPED_SECONDS
        if time.monotonic() - away_since > patience:
            raise error
        if uri != self._uri:
            self._client.close()
            self._open(uri)

    def _open(self, uri: str) -> None:
        self._uri = uri
        # a result counts when a majority of servers has it on disk
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            uri,
            appname="hpconv",
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=SELECTION_MS,
            socketTimeoutMS=SOCKET_MS,
        )
        self.reachable_since = time.monotonic()  # since when the server has been in reach


def retries_when_unreachable(method: Method) -> Method:
    """Make a method wait for the server of its ``_connection`` while that is out of reach."""

    @functools.wraps(method)
    def waiting(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._connection.retry(lambda: method(self, *args, **kwargs))

    return cast(Method, waiting)


def _is_absence(error: Exception) -> bool:
    return isinstance(error, ConnectionFailure) or (
        isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED
    )


def _note_absence(error: Exception) -> float:
    reason = str(error).partition(" (configured timeouts")[0]
    log.warning("the MongoDB server is out of reach, waiting: %s", reason)
    return time.monotonic()
