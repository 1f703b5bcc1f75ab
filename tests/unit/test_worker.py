"""A real worker process on a real store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING

from hpconv.budget import Budget
from hpconv.candidate import ModelSettings
from hpconv.engines import choose
from hpconv.store import Store
from tests.unit.test_objective import BUDGET, CANDIDATE, MODEL


def queue(store: Store, **changes: Any) -> None:
    tid = store.next_tid()
    vals = {label: [value] for label, value in (CANDIDATE | changes).items()}
    store.insert({"tid": tid, "misc": {"tid": tid, "vals": vals}, "result": {"status": "new"}})


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def worker_command(
    folder: Path, connection: Path, exp_key: str, data: Path, model: ModelSettings, budget: Budget
) -> list[str]:
    command = [sys.executable, "-m", "hpconv", "worker", "--connection", str(connection)]
    command += ["--exp-key", exp_key, "--data", str(data), "--max-evals", "20"]
    command += ["--model", json.dumps(asdict(model)), "--budget", json.dumps(asdict(budget))]
    command += ["--history", str(folder / "history.jsonl")]
    return [*command, "--output", str(folder / "record.json")]


@pytest.fixture
def start(server: Path, store: Store, digits: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Starts workers on the test's store; whatever still runs at the end is killed."""
    store.open_search("a fingerprint")
    started: list[subprocess.Popen] = []

    def start_worker(trial_seconds: float = 60) -> subprocess.Popen:
        budget = replace(BUDGET, trial_seconds=trial_seconds)
        command = worker_command(tmp_path, server, store.exp_key, digits, MODEL, budget)
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start_worker
    for process in started:
        process.kill()


def test_a_worker_finishes_trials_and_leaves_when_the_search_is_over(
    store: Store, start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    queue(store)
    queue(store, l0eg_alpha=1e9)
    process = start()
    until(lambda: store.count(JOB_STATE_DONE) == 2)
    store.close_search()
    assert process.wait(20) == 0
    assert json.loads((tmp_path / "record.json").read_text()) == {"finished": 2}
    good, bad = store.finished()
    assert good["result"]["loss"] < 0.03
    assert bad["result"]["failure"]["kind"] == "homogeneous"
    assert store.live_workers() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_worker_told_to_stop_gives_its_trial_back(
    store: Store, start: Callable[..., subprocess.Popen], number: signal.Signals
) -> None:
    queue(store)
    process = start()
    until(lambda: store.count(JOB_STATE_RUNNING))
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert store.count(JOB_STATE_NEW) == 1
    assert store.live_workers() == 0


def test_a_trial_that_is_no_longer_needed_goes_back(
    store: Store, start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    slow = {"l0eg_order": 2, "l0eg_order_real": 1.7, "l0eg_l2_reg": 1e-9}
    for _ in range(20):
        queue(store, **slow)
    process = start()
    until(lambda: store.count(JOB_STATE_RUNNING))
    store.close_search()
    assert process.wait(20) == 0
    assert json.loads((tmp_path / "record.json").read_text())["finished"] < 20
    assert store.count(JOB_STATE_RUNNING) == 0


def test_a_trial_that_takes_too_long_is_stopped(
    store: Store, start: Callable[..., subprocess.Popen]
) -> None:
    queue(store)
    start(trial_seconds=0.05)
    until(lambda: store.count(JOB_STATE_DONE))
    result = store.finished()[0]["result"]
    assert result["failure"]["kind"] == "too_slow"
    assert result["engine"] == choose("auto")


def test_a_worker_without_the_engine_asked_for_says_so_at_once(tmp_path: Path) -> None:
    nowhere, on_gpu = tmp_path / "none", replace(MODEL, engine="gpu")
    command = worker_command(tmp_path, nowhere, "x", nowhere, on_gpu, BUDGET)
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, capture_output=True, text=True, env=hidden, timeout=60)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("hpconv: config key 'model.engine' is 'gpu', but PyTorch")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_evaluation_ends_its_trial_only(
    store: Store, start: Callable[..., subprocess.Popen], number: signal.Signals
) -> None:
    queue(store)
    process = start()
    until(lambda: store.count(JOB_STATE_RUNNING))
    for child in psutil.Process(process.pid).children(recursive=True):
        if "spawn_main" in " ".join(child.cmdline()):
            child.send_signal(number)
    until(lambda: store.finished())
    (ended,) = store.finished()
    if number == signal.SIGKILL:
        assert ended["result"]["failure"]["kind"] == "out_of_memory"
    else:
        assert ended["state"] == JOB_STATE_ERROR
        assert f"ended with status {-number}" in ended["error"]
    queue(store)
    until(lambda: len(store.finished()) == 2)
    assert store.finished()[1]["result"]["loss"] < 0.03


def test_a_worker_that_comes_after_the_search_has_nothing_to_do(
    store: Store, start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    queue(store)
    (tmp_path / "history.jsonl").write_text("".join(f'{{"tid": {i}}}\n' for i in range(20)))
    assert start().wait(20) == 0
    assert json.loads((tmp_path / "record.json").read_text()) == {"finished": 0}
    assert store.count(JOB_STATE_NEW) == 1


def test_programming_errors_in_a_row_end_the_worker_loudly(
    store: Store, start: Callable[..., subprocess.Popen]
) -> None:
    for _ in range(5):
        queue(store, l0eg_alpha="high")
    assert start().wait(60) != 0
    failed = store.finished()
    assert len(failed) == 4
    assert "could not convert string to float" in failed[0]["error"]
    assert store.count(JOB_STATE_NEW) == 1
