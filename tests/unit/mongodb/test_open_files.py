"""A server whose limit of open files is reached refuses connections, and goes on."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpconv.mongodb import connection_file
from hpconv.mongodb.client import address, answers
from hpconv.mongodb.open_files import CONNECTIONS_PER_WORKER, raise_limit
from hpconv.mongodb.uri import from_file
from hpconv.storage.store import Store
from tests.conftest import start_server, until

FILES = 1024  # a common hard limit
SOCKETS = 1000


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, psutil.Process]]:
    """The connection file and process of a server that may open few files."""
    folder = tmp_path_factory.mktemp("limited")
    process = start_server(folder)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FILES // 2, FILES))
    connection_file.await_server(folder / "connection.json")
    (mongod,) = psutil.Process(process.pid).children()
    yield folder / "connection.json", mongod
    process.terminate()
    process.communicate(timeout=180)


def test_more_sockets_than_a_server_may_open(limited: tuple[Path, psutil.Process]) -> None:
    connection, mongod = limited
    assert mongod.rlimit(psutil.RLIMIT_NOFILE) == (FILES, FILES)
    store = Store(from_file(connection), "sockets")
    uri = connection_file.await_server(connection)
    host, port = address(uri).rstrip("/").split(":")
    raise_limit()
    with contextlib.ExitStack() as sockets:
        for _ in range(SOCKETS):
            sockets.enter_context(socket.create_connection((host, int(port.partition("/")[0]))))
        until(lambda: not answers(uri, seconds=0.5))
        store.insert({"tid": 0, "misc": {"tid": 0, "idxs": {}, "vals": {}}, "result": {}})
        assert store.reserve("worker")["tid"] == 0
    until(lambda: answers(uri))
    assert mongod.is_running()
    store.connection.close()


def test_a_store_has_as_many_connections_as_a_worker_may(
    limited: tuple[Path, psutil.Process],
) -> None:
    store = Store(from_file(limited[0]), "connections")
    time.sleep(1)  # another one would be opened after the first answer
    ours = [c for c in psutil.Process().net_connections("tcp") if c.status == "ESTABLISHED"]
    port = store.connection.db.client.address[1]
    assert len([c for c in ours if c.raddr.port == port]) == CONNECTIONS_PER_WORKER
    store.connection.close()
