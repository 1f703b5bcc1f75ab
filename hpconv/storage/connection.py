"""A MongoDB connection that survives server restarts: it retries and re-reads the address."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure

from hpconv.mongodb.uri import DATABASE, Address
from hpconv.processes import Reminder

PATIENCE_SECONDS = 900.0  # for an unreachable server; a restart on another host takes minutes
STOPPED_SECONDS = 20.0  # for a server that has removed its address: it was shut down
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
SELECTION_MS, SOCKET_MS = 2_000, 30_000
AUTHENTICATION_FAILED = 18  # by a new server on the old port, for the old password

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])

log = logging.getLogger(__name__)


class Connection:
    """The database of an experiment on a server whose address may change.

    Args:
        address: returns the server's URI; called again after each failure.
        patience: seconds to wait for an unreachable server.
    """

    def __init__(
        self, address: Address, database: str = DATABASE, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._address = address
        self._database = database
        self._patience = patience
        self._gone_since: float | None = None  # when the connection file was first missing
        self._open(address())

    @property
    def db(self) -> Database[dict[str, Any]]:
        """The database; not to be kept, as its client changes with the server's address."""
        return self._client[self._database]

    def retry(self, operation: Callable[[], T]) -> T:
        """Run an operation, and retry it while the server is unreachable.

        Raises:
            ConnectionFailure: if the server stays unreachable.
            UserError: if the connection file contains the reason why the server failed.
        """
        unreachable_since, pause, reminder = None, FIRST_PAUSE, Reminder()
        while True:
            try:
                result = operation()
            except (ConnectionFailure, OperationFailure) as error:
                if not _is_unreachable(error):
                    raise
                unreachable_since = unreachable_since or _log_unreachable(error)
                reminder.tick("still waiting for the MongoDB server")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                self._update_address(unreachable_since, error)
            else:
                if unreachable_since is not None:
                    log.info("the MongoDB server is reachable again")
                return result

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _update_address(self, unreachable_since: float, error: Exception) -> None:
        try:
            self.follow()
        except FileNotFoundError:
            self._gone_since = self._gone_since or time.monotonic()
            waited, patience = time.monotonic() - self._gone_since, STOPPED_SECONDS
        else:
            self._gone_since = None
            waited, patience = time.monotonic() - unreachable_since, self._patience
        if waited > patience:
            raise error

    def follow(self) -> None:
        """Read the server's address again, and use it from now on."""
        uri = self._address()
        if uri != self._uri:
            self._client.close()
            self._open(uri)

    def _open(self, uri: str) -> None:
        self._uri = uri
        # results are acknowledged when a majority of servers has them on disk
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            uri,
            appname="hpconv",
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=SELECTION_MS,
            socketTimeoutMS=SOCKET_MS,
            serverMonitoringMode="poll",  # one connection less than by default
        )


def retries_when_unreachable(method: Method) -> Method:
    """Make a method retry while the server of its ``_connection`` is unreachable."""

    @functools.wraps(method)
    def retrying(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._connection.retry(lambda: method(self, *args, **kwargs))

    return cast(Method, retrying)


def _is_unreachable(error: Exception) -> bool:
    return isinstance(error, ConnectionFailure) or (
        isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED
    )


def _log_unreachable(error: Exception) -> float:
    reason = str(error).partition(" (configured timeouts")[0]
    log.warning("the MongoDB server is unreachable, retrying: %s", reason)
    return time.monotonic()
