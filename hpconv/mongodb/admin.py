"""What a person asks of a running server: how it is, and to stop."""

import contextlib
import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from pymongo.errors import AutoReconnect

from hpconv.errors import UserError
from hpconv.mongodb.connection_file import (
    ANSWER_SECONDS,
    Client,
    Content,
    address,
    answers,
    client_of,
    published,
)
from hpconv.mongodb.uri import DATABASE

STATES = ("new", "running", "done", "error")  # of a trial, as hyperopt numbers them
STOP_SECONDS = 60

log = logging.getLogger(__name__)


def reach(connection: Path) -> Content:
    """What the connection file says of a server that answers now.

    Raises:
        UserError: when there is no such server.
    """
    content = published(connection)
    if "error" in content:
        raise UserError(f"no server runs, it failed: {content['error']}")
    if "uri" not in content:
        raise UserError(
            f"no server runs: {connection} is not there, 'hpconv mongod start' makes it"
        )
    if not answers(content["uri"]):
        host = content.get("host", "its host")
        raise UserError(
            f"the server at {address(content['uri'])} does not answer; {connection} was written "
            f"on {host} by a process that may be gone, 'hpconv mongod start' replaces it"
        )
    return content


def stop(connection: Path) -> None:
    """Shut the server down in order; return when it is gone.

    Raises:
        UserError: when no server answers, it is not ours to stop, or it does not stop.
    """
    content = reach(connection)
    uri = content["uri"]
    if content.get("external"):
        raise UserError(f"the server at {address(uri)} is an external one, hpconv does not stop it")
    with client_of(uri, ANSWER_SECONDS) as client, contextlib.suppress(AutoReconnect):
        client.admin.command("shutdown")
    deadline = time.monotonic() + STOP_SECONDS
    # its supervisor takes the file away; a new server may start then
    while answers(uri, seconds=0.2) or published(connection) == content:
        if time.monotonic() > deadline:
            raise UserError(f"the server at {address(uri)} did not stop in {STOP_SECONDS} s")
        time.sleep(0.1)
    log.info("the server at %s has stopped", address(uri))


def status(connection: Path) -> dict[str, Any]:
    """How the server is, and the trials of each experiment by state.

    Raises:
        UserError: when no server answers.
    """
    uri = reach(connection)["uri"]
    with client_of(uri, ANSWER_SECONDS) as client:
        server = client.admin.command("serverStatus")
        return {
            "address": address(uri),
            "version": server["version"],
            "uptime_seconds": int(server["uptime"]),
            "connections": server["connections"]["current"],
            "database_bytes": int(client[DATABASE].command("dbStats")["totalSize"]),
            "trials": _trials(client),
        }


def _trials(client: Client) -> dict[str, dict[str, int]]:
    group = {"_id": {"exp_key": "$exp_key", "state": "$state"}, "count": {"$sum": 1}}
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATES, 0))
    for row in client[DATABASE].jobs.aggregate([{"$group": group}, {"$sort": {"_id": 1}}]):
        counts[row["_id"]["exp_key"]][STATES[row["_id"]["state"]]] = row["count"]
    return dict(counts)
