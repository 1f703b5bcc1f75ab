"""Real servers and data for the tests; without a mongod they fail, they do not skip."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpconv import database, datasets
from hpconv.mongod import URI_VARIABLE
from hpconv.store import Store


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as the workflow's first rule writes them."""
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    datasets.write(datasets.DataSettings("digits", seed=0, validation=0.25, test=0.25), path)
    return path


def start_server(folder: Path) -> subprocess.Popen:
    """``hpconv mongod`` in a folder, as the workflow's rule runs it."""
    command = [sys.executable, "-c", "from hpconv.cli import main; main()", "mongod"]
    command += ["--dbpath", str(folder / "db"), "--connection", str(folder / "connection.json")]
    return subprocess.Popen(
        [*command, "--log", str(folder / "mongod.log")],
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != URI_VARIABLE},
    )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connection file of a running server."""
    folder = tmp_path_factory.mktemp("server")
    process = start_server(folder)
    database.await_server(folder / "connection.json")
    yield folder / "connection.json"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture
def new_store(server: Path, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Opens the store of an experiment that no other test uses."""
    uri = database.await_server(server)
    return lambda: Store(uri, exp_key=request.node.name)


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty store."""
    return new_store()
