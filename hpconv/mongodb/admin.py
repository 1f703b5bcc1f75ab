"""Administration of a running server: its status, and stopping it."""

import contextlib
import logging
from collections import defaultdict
from pathlib import Path
from typing import Literal, TypedDict, get_args

from pymongo.errors import AutoReconnect

from hpconv.errors import UserError
from hpconv.mongodb.client import ANSWER_SECONDS, Client, address, answers, client_of
from hpconv.mongodb.connection_file import published
from hpconv.mongodb.uri import DATABASE
from hpconv.processes import poll_until

StateName = Literal["new", "running", "done", "error"]
STATES: tuple[StateName, ...] = get_args(StateName)  # in the order of hyperopt's numbers
STOP_SECONDS = 60

log = logging.getLogger(__name__)


class ServerStatus(TypedDict):
    """Status of a server, and the number of trials by experiment and state."""

    address: str
    version: str
    uptime_seconds: int
    connections: int
    database_bytes: int
    trials: dict[str, dict[StateName, int]]


def require_server(connection: Path) -> str:
    """The URI of a server that answers now.

    Raises:
        UserError: if there is none.
    """
    record = published(connection)
    if record.error is not None:
        raise UserError(f"no server runs, it failed: {record.error}")
    if record.uri is None:
        raise UserError(
            f"no server runs: {connection} does not exist; start one with 'hpconv mongod start'"
        )
    if not answers(record.uri):
        raise UserError(
            f"the server at {address(record.uri)} does not answer; {connection} was written on "
            f"{record.host or 'its host'} by a process that may have ended: "
            "'hpconv mongod start' replaces it"
        )
    return record.uri


def stop(connection: Path) -> None:
    """Shut the server down; returns when it has ended.

    Raises:
        UserError: if no server answers, it is an external one, or it does not stop in time.
    """
    uri, record = require_server(connection), published(connection)
    if record.external:
        raise UserError(f"the server at {address(uri)} is an external one, hpconv does not stop it")
    with client_of(uri, ANSWER_SECONDS) as client, contextlib.suppress(AutoReconnect):
        client.admin.command("shutdown")

    def has_stopped() -> bool:
        # its supervisor removes the file; a new server may start then
        return not answers(uri, seconds=0.2) and published(connection) != record

    if not poll_until(has_stopped, STOP_SECONDS, pause=0.1):
        raise UserError(f"the server at {address(uri)} did not stop in {STOP_SECONDS} s")
    log.info("the server at %s has stopped", address(uri))


def status(connection: Path) -> ServerStatus:
    """Ask a server for its status.

    Raises:
        UserError: if no server answers.
    """
    uri = require_server(connection)
    with client_of(uri, ANSWER_SECONDS) as client:
        server = client.admin.command("serverStatus")
        return {
            "address": address(uri),
            "version": server["version"],
            "uptime_seconds": int(server["uptime"]),
            "connections": server["connections"]["current"],
            "database_bytes": int(client[DATABASE].command("dbStats")["totalSize"]),
            "trials": _count_trials(client),
        }


def _count_trials(client: Client) -> dict[str, dict[StateName, int]]:
    group = {"_id": {"exp_key": "$exp_key", "state": "$state"}, "count": {"$sum": 1}}
    counts: dict[str, dict[StateName, int]] = defaultdict(lambda: dict.fromkeys(STATES, 0))
    for row in client[DATABASE].jobs.aggregate([{"$group": group}, {"$sort": {"_id": 1}}]):
        counts[row["_id"]["exp_key"]][STATES[row["_id"]["state"]]] = row["count"]
    return dict(counts)
