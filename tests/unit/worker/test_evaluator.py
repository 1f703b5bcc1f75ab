"""Evaluation processes that end before they get a trial."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cloudpickle
import psutil
import pytest
from hyperopt import hp
from hyperopt.base import Domain

from hpconv.trials import Trial
from hpconv.worker.evaluator import Evaluator, EvaluatorDied
from tests import objectives
from tests.conftest import until

TRIAL: Trial = {
    "tid": 0,
    "misc": {"tid": 0, "idxs": {"x": [0]}, "vals": {"x": [0.5]}},
    "result": {"status": "new"},
}


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    """An evaluation process that is ready."""
    domain = Domain(objectives.process, hp.uniform("x", 0, 1))
    evaluator = Evaluator(cloudpickle.dumps(domain), None)
    until(lambda: evaluator.ready(0.1))
    yield evaluator
    evaluator.close()


def kill_process(evaluator: Evaluator) -> int:
    process = psutil.Process(evaluator._process.pid)
    process.send_signal(signal.SIGKILL)
    until(lambda: process.status() == psutil.STATUS_ZOMBIE)
    return process.pid


def evaluate(evaluator: Evaluator) -> dict[str, Any]:
    until(lambda: evaluator.ready(0.1))
    evaluator.submit(TRIAL)
    outcomes: list[Any] = []
    until(lambda: outcomes.append(evaluator.outcome(0.1)) or outcomes[-1])
    return outcomes[-1].result


def evaluation_processes() -> set[psutil.Process]:
    children = psutil.Process().children()
    return {child for child in children if "spawn_main" in " ".join(child.cmdline())}


def test_process_killed_while_it_starts() -> None:
    others = evaluation_processes()

    def kill() -> None:
        until(lambda: evaluation_processes() - others)
        for process in evaluation_processes() - others:
            process.kill()

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        evaluator = Evaluator(bytes(2**20), None)  # more than a pipe holds
        killed.result()
    with pytest.raises(EvaluatorDied, match="ended with status -9"):
        until(lambda: evaluator.ready(0.1))
    evaluator.close()


def test_process_killed_while_idle_is_found_before_the_next_trial(evaluator: Evaluator) -> None:
    killed = kill_process(evaluator)
    with pytest.raises(EvaluatorDied, match="ended with status -9"):
        evaluator.ready(0)
    assert evaluate(evaluator)["pid"] != killed


def test_process_killed_before_it_received_the_trial(evaluator: Evaluator) -> None:
    process = psutil.Process(evaluator._process.pid)
    process.suspend()
    evaluator.submit(TRIAL)
    process.kill()
    with pytest.raises(EvaluatorDied, match="ended with status -9"):
        until(lambda: evaluator.outcome(0.1))
    assert evaluate(evaluator)["pid"] != process.pid


def test_trial_submitted_to_a_killed_process_can_be_submitted_again(evaluator: Evaluator) -> None:
    killed = kill_process(evaluator)
    with pytest.raises(EvaluatorDied, match="ended with status -9"):
        evaluator.submit(TRIAL)
    assert evaluate(evaluator)["pid"] != killed
