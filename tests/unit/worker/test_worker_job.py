"""A worker of the workflow learns from files whether its search runs, has stopped or is over."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpconv.config import resolve, search_record
from hpconv.storage.store import Store
from hpconv.worker import search_files
from hpconv.worker.walltime import Walltime, WalltimeUsed
from tests import objectives
from tests.conftest import until

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a worker of the workflow in a folder without any file."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"experiment": request.node.originalname}))
    command = [sys.executable, "-m", "hpconv", "worker-job", "--config", str(config)]
    names = ("connection", "summary", "stopped", "output")
    command += [word for name in names for word in (f"--{name}", str(tmp_path / name))]
    command += ["--failure", str(tmp_path / "run/failed"), "--workdir", str(tmp_path)]
    started: list[subprocess.Popen] = []

    def start_worker(*options: str, **variables: str) -> subprocess.Popen:
        pipe, environment = subprocess.PIPE, os.environ | variables
        started.append(
            subprocess.Popen([*command, *options], env=environment, stderr=pipe, text=True)
        )
        return started[-1]

    yield start_worker
    for process in started:
        process.kill()


def end(folder: Path, process: subprocess.Popen) -> tuple[str | None, str]:
    """The failure in a worker's record, and what it has said, when it has ended."""
    said = process.communicate(timeout=180)[1]
    assert process.returncode == 0, said
    return json.loads((folder / "output").read_text())["failure"], said


def over(folder: Path, name: str) -> None:
    search = search_record(resolve({"experiment": name}))
    (folder / "summary").write_text(json.dumps({"search": search, "stopped": "enough"}))


def stopped(folder: Path, name: str) -> None:
    (folder / "stopped").write_text("the data have changed")


def failed(folder: Path, name: str) -> None:
    (folder / "run").mkdir()
    (folder / "run/run").touch()
    (folder / "run/failed").write_text("its node was lost")


def ended(folder: Path, name: str) -> None:
    (folder / "run").mkdir()


def dead(folder: Path, name: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path;"
         "from hpconv.mongodb import connection_file;"
         "connection_file.publish(Path(sys.argv[1]), uri='mongodb://127.0.0.1:1')",
         str(folder / "connection")], check=True,
    )  # fmt: skip
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (over, "the search is over"),
        (stopped, "the data have changed"),
        (failed, "its node was lost"),
        (ended, "the workflow has ended"),
        (dead, "the server's process"),
    ],
)
def test_worker_that_no_search_needs_ends_at_once(
    start: Start,
    tmp_path: Path,
    happens: Callable[[Path, str], None],
    reason: str,
    request: pytest.FixtureRequest,
) -> None:
    happens(tmp_path, request.node.originalname)
    failure, said = end(tmp_path, start())
    assert failure is None
    assert f"exiting: {reason}" in said


def search(store: Store, folder: Path, server: Path, process: subprocess.Popen) -> None:
    """A driver's search of one queued trial, which the worker evaluates."""
    store.search.open("a fingerprint", "driver")
    store.search.set_ready("driver")
    connection = folder / "connection"
    if not connection.exists():
        connection.hardlink_to(server)
    until(lambda: not store.unfinished())
    connection.unlink()  # as a server does whose job ends with its walltime
    store.search.close("driver")
    assert end(folder, process)[0] is None


def test_worker_waits_for_a_server_and_follows_it(
    start: Start, tmp_path: Path, server: Path, store: Store
) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.1)
    search(store, tmp_path, server, start())


def test_worker_waits_for_the_driver_that_continues_a_search(
    start: Start, tmp_path: Path, server: Path, store: Store
) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.1)
    store.search.open("a fingerprint", "before")
    store.search.close("before")
    store.search.release("before")
    (tmp_path / "connection").hardlink_to(server)
    process = start()
    with pytest.raises(subprocess.TimeoutExpired):  # it would have ended by then
        process.wait(5)
    search(store, tmp_path, server, process)


def test_worker_that_cannot_evaluate_records_why(
    start: Start, tmp_path: Path, server: Path, store: Store
) -> None:
    failure, _ = end(tmp_path, start("--restarts-left", "0"))
    assert failure == "a worker was killed each time it was started"


def test_worker_without_time_to_wait_asks_for_another_job(start: Start, tmp_path: Path) -> None:
    process = start(PBS_WALLTIME="10", HPCONV_AGAIN=str(tmp_path / "again"))
    assert process.wait(180) == 75
    assert (tmp_path / "again").exists()
    assert not (tmp_path / "output").exists()


def test_worker_leaves_its_node_to_the_drivers_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_files, "YIELD_SECONDS", 0.5)
    monkeypatch.setattr(search_files, "PAUSE", 0.1)
    monkeypatch.setenv("HPCONV_AGAIN", str(tmp_path / "again"))
    files = search_files.SearchFiles(
        tmp_path / "connection",
        lambda: False,
        stopped=tmp_path / "stopped",
        failure=tmp_path / "run/failed",
        walltime=Walltime(None),
    )
    with pytest.raises(WalltimeUsed, match="no server for"):
        files.wait()
