"""A server with a new password, on loopback and at most one address more."""

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from urllib.parse import quote

from pymongo.errors import OperationFailure

from hpconv.mongodb.binary import Environment, find_mongod
from hpconv.mongodb.connection_file import Client, client_of
from hpconv.mongodb.network import LOOPBACK, bind_address, free_port
from hpconv.mongodb.process import START_SECONDS, Mongod, ServerSettings

USER = "hpconv"
LOW_MEMORY_OPTIONS = (
    "--wiredTigerCacheSizeGB=0.25",
    "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=16MB)",
)

Starter = Callable[..., AbstractContextManager[Mongod]]

log = logging.getLogger(__name__)


@contextmanager
def running(settings: ServerSettings) -> Iterator[tuple[str, Mongod]]:
    """A server with a new password that answers at the URI, stopped when the block ends.

    Raises:
        Interrupted, UserError: when it cannot be started.
    """
    address = bind_address(settings.bind)
    start = _starter(settings)
    password = _new_password(start)
    port = free_port()
    uri = f"mongodb://{USER}:{password}@{address}:{port}/?authSource=admin"
    listen = ",".join(dict.fromkeys([LOOPBACK, address]))
    with start(uri, "--auth", f"--bind_ip={listen}", f"--port={port}", "--nounixsocket") as mongod:
        log.info("mongod answers on %s:%d", address, port)
        yield uri, mongod


def _starter(settings: ServerSettings) -> Starter:
    binary, environment = find_mongod(settings.binary)
    log.info("starting %s", binary)
    settings.dbpath.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.log.parent.mkdir(parents=True, exist_ok=True)
    folder = settings.dbpath.absolute()  # for a backup, which asks the server where it is
    command = [
        binary,
        f"--dbpath={folder}",
        f"--logpath={settings.log}",
        "--logappend",
        *LOW_MEMORY_OPTIONS,
    ]
    return partial(_started, settings, environment, command)


@contextmanager
def _started(
    settings: ServerSettings, environment: Environment, command: list[str], uri: str, *options: str
) -> Iterator[Mongod]:
    mongod = Mongod(settings, environment, [*command, *options])
    try:
        mongod.await_answer(uri)
        yield mongod
    finally:
        mongod.stop()


def _new_password(start: Starter) -> str:
    """Give the server's user a new password, over a socket that only we can reach."""
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="hpconv-") as private:
        socket_path = f"{private}/mongod.sock"
        uri = f"mongodb://{quote(socket_path, safe='')}"
        with start(uri, f"--bind_ip={socket_path}"), client_of(uri, START_SECONDS) as client:
            _set_password(client, password)
    return password


def _set_password(client: Client, password: str) -> None:
    try:
        client.admin.command("createUser", USER, pwd=password, roles=["root"])
    except OperationFailure:  # the user is there from an earlier run
        client.admin.command("updateUser", USER, pwd=password)
