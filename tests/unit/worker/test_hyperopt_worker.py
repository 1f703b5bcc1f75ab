"""hyperopt's own worker, on the pymongo that it runs with, beside ours on one queue."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hyperopt import hp
from hyperopt.base import JOB_STATE_DONE, Domain

from hpconv.config import SearchSettings
from hpconv.files import read_json
from hpconv.search.driver import Driver
from hpconv.storage.store import Store
from tests import objectives

PYMONGO_3 = Path(__file__).parents[3] / ".venv/pymongo-3"  # by `make test`
MAIN = "import sys; from hyperopt.mongoexp import main_worker; sys.exit(main_worker())"


@pytest.fixture
def hyperopt_worker(
    server: Path, store: Store, tmp_path: Path
) -> Iterator[Callable[[int], subprocess.Popen]]:
    """Starts hyperopt-mongo-worker for so many jobs of the test's queue."""
    place = urlsplit(read_json(server)["uri"]).netloc
    command = [sys.executable, "-c", MAIN, "--exp-key", store.exp_key, "--no-subprocesses"]
    command += ["--mongo", f"mongo://{place}/hpconv/jobs?authSource=admin"]
    command += ["--poll-interval", "1.1", "--workdir", str(tmp_path / "work")]
    started: list[subprocess.Popen] = []

    def start(jobs: int) -> subprocess.Popen:
        everything = [*command, "--max-jobs", str(jobs)]
        environment = os.environ | {"PYTHONPATH": str(PYMONGO_3)}
        started.append(subprocess.Popen(everything, env=environment, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_queue_is_shared_with_hyperopts_worker(
    server: Path,
    store: Store,
    tmp_path: Path,
    hyperopt_worker: Callable[[int], subprocess.Popen],
) -> None:
    objectives.attach_objective(store, objectives.quarter)
    objectives.queue(store, *range(6))
    assert hyperopt_worker(3).wait(60) == 0
    assert store.count(JOB_STATE_DONE) == 3
    command = [sys.executable, "-m", "hpconv", "worker", "--connection", str(server)]
    command += ["--exp-key", store.exp_key, "--max-jobs", "3", "--workdir", str(tmp_path)]
    subprocess.run(command, check=True, timeout=180)
    trials = store.finished()
    assert [trial["result"]["loss"] for trial in trials] == [x / 4 for x in range(6)]
    assert [type(trial["owner"]) for trial in trials] == [list] * 3 + [str] * 3


def test_driver_with_hyperopts_workers(
    store: Store, hyperopt_worker: Callable[[int], subprocess.Popen]
) -> None:
    settings = SearchSettings("tpe", 4, startup_trials=2, seed=1, patience_minutes=0.2)
    hyperopt_worker(4)
    space = hp.uniform("x", 0, 1)
    assert "4 trials" in Driver(store, Domain(objectives.quarter, space), settings, "x").run()
