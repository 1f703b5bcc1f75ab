"""Real servers and data for the tests; without a mongod they fail, they do not skip."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.mongodb import connection_file
from hpconv.mongodb.binary import URI_VARIABLE
from hpconv.mongodb.uri import from_file
from hpconv.storage.store import Store

LONG = {"test_worker.py", "test_mongodb.py", "test_rounds.py", "test_driver.py"}
# what a test may need beside `make test`: whether it is there, and how to get it
NEEDS = {
    "browser": (
        shutil.which("chromium") and shutil.which("chromedriver"),
        "apt-get install chromium chromium-driver",
    ),
    "fashion_mnist": (
        Path("/usr/share/datasets/fashion-mnist").is_dir(),
        "apt-get install dataset-fashion-mnist",
    ),
    "torch": (find_spec("torch"), "pip install torch"),
}

# a shell that starts a job in the background lets it, and its children, ignore SIGINT
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    for need, (_, advice) in NEEDS.items():
        config.addinivalue_line("markers", f"needs_{need}: skipped where missing: {advice}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose needs are missing; run the longest files first: processes end together."""
    for item in items:
        for need, (found, advice) in NEEDS.items():
            if item.get_closest_marker(f"needs_{need}") and not found:
                item.add_marker(pytest.mark.skip(reason=f"needs {need}: {advice}"))
    items.sort(key=lambda item: "unit" in item.path.parts and item.path.name not in LONG)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Close with what was skipped, and how to get what it needs."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped, {reason}")


def until(condition: Callable[[], Any], seconds: float = 180) -> None:
    """Wait for something to happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def mounted(disk: Path, size: str) -> Iterator[Path]:
    """A file system of its own, for a fixture."""
    if os.geteuid():
        pytest.skip("needs root: run the tests as root")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as the workflow's first rule writes them."""
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    datasets.write(DataSettings("digits", seed=0, validation=0.25, test=0.25), path)
    return path


def hpconv(*arguments: str | Path, uri: str | None = None) -> subprocess.Popen:
    """The command line in a process of its own, maybe with the URI of an external server."""
    environment = {k: v for k, v in os.environ.items() if k != URI_VARIABLE}
    return subprocess.Popen(
        [sys.executable, "-c", "from hpconv.cli import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | ({URI_VARIABLE: uri} if uri else {}),
    )


def start_server(folder: Path, *options: str, uri: str | None = None) -> subprocess.Popen:
    """``hpconv mongod start`` in a folder, as the workflow's rule runs it."""
    places = ("--dbpath", folder / "db", "--connection", folder / "connection.json")
    return hpconv("mongod", "start", *places, "--log", folder / "mongod.log", *options, uri=uri)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connection file of a running server."""
    folder = tmp_path_factory.mktemp("server")
    process = start_server(folder)
    connection_file.await_server(folder / "connection.json")
    yield folder / "connection.json"
    process.send_signal(signal.SIGTERM)
    assert process.wait(180) == 0


@pytest.fixture
def new_store(server: Path, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Opens the store of an experiment that no other test uses."""
    return lambda: Store(from_file(server), exp_key=request.node.name)


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty store."""
    return new_store()
