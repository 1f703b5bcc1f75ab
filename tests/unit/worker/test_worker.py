"""A real worker process on a real store."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from hyperopt.base import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    Domain,
)

from hpconv.config import Budget, ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.engines import choose
from hpconv.features.learning import learn
from hpconv.files import read_json
from hpconv.learners import FeatureClassifier
from hpconv.learners.ensemble_member import StoredMember
from hpconv.model.pipeline import describe
from hpconv.model.space import search_space
from hpconv.objective.objective import Objective
from hpconv.storage.store import Store
from hpconv.trials import Rung, hyperparameters
from hpconv.worker.walltime import EXIT_AGAIN
from hpconv.worker.worker import HEARTBEAT_SECONDS
from tests import objectives
from tests.conftest import until
from tests.unit.objective.test_objective import BUDGET, CANDIDATE, MODEL


def queue(store: Store, members: Sequence[int] | None = None, **changes: Any) -> None:
    """Queue a trial, maybe one that continues others."""
    tid = store.count()
    vals = {label: [value] for label, value in (CANDIDATE | changes).items()}
    misc: dict[str, Any] = {"tid": tid, "vals": vals}
    if members is not None:
        continues = members[-1] if members else None
        told = {"continues": continues, "members": members, "bagging_fraction": 0.25}
        misc["boosting"] = told
    store.insert({"tid": tid, "misc": misc, "result": {"status": "new"}})


def attach_images(
    store: Store, data: Path, model: ModelSettings, budget: Budget, rungs: Sequence[float] = ()
) -> None:
    space = search_space(model.output_sizes, model.max_layer_sizes)
    store.attachments.put_objective(Domain(Objective(data, model, budget, rungs), space))


def reach(store: Store, losses: Sequence[float]) -> None:
    """Let other trials have these losses at the first rung."""
    for loss in losses:
        queue(store)
        trial = store.reserve("other")
        assert trial
        rungs: list[Rung] = [{"share": 0.1, "loss": loss, "seconds": {}}]
        store.reach_rung(trial, "other", rungs)
        store.finish(trial, "other", {"status": "ok", "loss": loss, "rungs": rungs})


Start = Callable[..., subprocess.Popen]

FEW_FEATURES = replace(MODEL, max_n_features=32)  # an ensemble has something to add


@pytest.fixture
def start(server: Path, store: Store, tmp_path: Path) -> Iterator[Start]:
    """Starts workers on the test's store; whatever still runs at the end is killed."""
    store.search.open("a fingerprint", "driver")
    store.search.set_ready("driver")
    command = [sys.executable, "-m", "hpconv", "worker", "--connection", str(server)]
    command += ["--exp-key", store.exp_key, "--workdir", str(tmp_path)]
    command += ["--output", str(tmp_path / "record.json")]
    started: list[subprocess.Popen] = []

    def start_worker(*options: str, **environment: str) -> subprocess.Popen:
        everything = [*command, *options]
        variables = os.environ | environment
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(everything, env=variables, stderr=pipe, text=True))
        return started[-1]

    yield start_worker
    for process in started:
        process.kill()


@pytest.fixture
def start_images(store: Store, start: Start, digits: Path) -> Start:
    """Starts workers that evaluate pipelines on the digits."""

    def start_worker(trial_seconds: float = 180, model: ModelSettings = MODEL) -> subprocess.Popen:
        attach_images(store, digits, model, replace(BUDGET, trial_seconds=trial_seconds))
        return start()

    return start_worker


def test_worker_finishes_trials_and_exits_with_the_search(
    store: Store, start_images: Start, tmp_path: Path
) -> None:
    queue(store)
    queue(store, l0eg_alpha=1e9)
    process = start_images()
    until(lambda: store.count(JOB_STATE_DONE) == 2)
    store.search.close("driver")
    assert process.wait(180) == 0
    assert json.loads((tmp_path / "record.json").read_text()) == {"finished": 2}
    good, bad = store.finished()
    assert good["result"]["loss"] < 0.03
    for result in (good["result"], bad["result"]):
        assert (result["engine"], result["kernels"]) == (choose("auto"), "c")
    assert bad["result"]["failure"]["kind"] == "homogeneous"
    assert store.count_live_workers() == 0


def test_ensemble_trial_extends_stored_scores(
    store: Store, start_images: Start, digits: Path
) -> None:
    for seed, members in enumerate([[], [0], [0, 1]]):
        queue(store, members, l0eg_fbncc_wp_rseed=seed)
    start_images(model=FEW_FEATURES)
    until(lambda: len(store.finished()) == 3)
    trials = store.finished()
    selection = Selection(digits)
    ensemble: list[FeatureClassifier] = []
    for trial in trials:
        pipeline = describe(hyperparameters(trial), selection.images.shape[1:], FEW_FEATURES)
        extractor = learn(pipeline, selection.unlabelled(100), FEW_FEATURES)
        features = extractor.transform(selection.images)
        arguments = (features, selection.rows, pipeline.classifier)
        alone = selection.loss(FeatureClassifier(*arguments))
        together = selection.loss(last := FeatureClassifier(*arguments, members=tuple(ensemble)))
        result = trial["result"]
        assert result["loss"] == pytest.approx(0.25 * alone + 0.75 * together)
        if ensemble:
            assert (result["own_error"], result["ensemble_error"]) == pytest.approx(
                (alone, together)
            )
            assert result["ensemble_error"] < trials[0]["result"]["loss"], "an ensemble is better"
        ((name, file),) = trial["_attachments"]
        kept = StoredMember(store.attachments.read(file))
        assert name == "scores"
        np.testing.assert_allclose(kept.penalty, last.penalty, rtol=0.01)
        for task in (selection.train, selection.validation):
            np.testing.assert_allclose(kept.scores(task), last.scores(task), atol=0.01)
        ensemble.append(last)


def test_ensemble_trial_without_stored_scores_fails(store: Store, start_images: Start) -> None:
    queue(store)
    queue(store, [0])
    queue(store, [7])
    start_images()
    until(lambda: len(store.finished()) == 3)
    good, *orphans = store.finished()
    assert good["_attachments"] == []
    for trial, parent in zip(orphans, (0, 7), strict=True):
        assert trial["state"] == JOB_STATE_ERROR
        assert trial["error"] == f"the ensemble's trial {parent} has no attachment 'scores'"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_requeues_the_current_trial(
    store: Store, start_images: Start, number: signal.Signals
) -> None:
    queue(store)
    process = start_images()
    until(lambda: store.count(JOB_STATE_RUNNING))
    process.send_signal(number)
    assert process.wait(180) == 128 + number
    assert store.count(JOB_STATE_NEW) == 1
    assert store.count_live_workers() == 0


def test_end_of_search_requeues_the_current_trial(
    store: Store, start_images: Start, tmp_path: Path
) -> None:
    slow = {"l0eg_order": 2, "l0eg_order_real": 1.7, "l0eg_l2_reg": 1e-9}
    for _ in range(20):
        queue(store, **slow)
    process = start_images()
    until(lambda: store.count(JOB_STATE_RUNNING))
    store.search.close("driver")
    assert process.wait(180) == 0
    assert json.loads((tmp_path / "record.json").read_text())["finished"] < 20
    assert store.count(JOB_STATE_RUNNING) == 0


def test_slow_trial_is_stopped(store: Store, start_images: Start) -> None:
    queue(store)
    start_images(trial_seconds=0.05)
    until(lambda: store.count(JOB_STATE_DONE))
    result = store.finished()[0]["result"]
    assert result["failure"]["kind"] == "too_slow"
    assert result["engine"] == choose("auto")


def test_trial_that_is_not_in_the_best_third_is_stopped_at_its_rung(
    store: Store, start: Start, digits: Path
) -> None:
    attach_images(store, digits, MODEL, BUDGET, rungs=(0.1, 0.5))
    reach(store, [0.0] * 7)
    for _ in range(2):  # the eighth and the ninth trial at the first rung
        queue(store)
    process = start("--max-jobs", "2")
    _, said = process.communicate(timeout=180)
    whole, stopped = (trial["result"] for trial in store.finished([7, 8]))
    assert [rung["share"] for rung in whole["rungs"]] == [0.1, 0.5]
    assert "stopped_at" not in whole
    assert (stopped["status"], stopped["stopped_at"], len(stopped["rungs"])) == ("ok", 0.1, 1)
    assert stopped["loss"] == whole["rungs"][0]["loss"] > whole["loss"]
    assert f"trial 8: stopped at 0.1 of the examples, loss {stopped['loss']:.4g}" in said


def test_missing_engine_ends_the_worker(store: Store, start: Start, digits: Path) -> None:
    attach_images(store, digits, replace(MODEL, engine="gpu"), BUDGET)
    queue(store)
    process = start(CUDA_VISIBLE_DEVICES="")
    _, said = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "\nhpconv: config key 'model.engine' is 'gpu', but PyTorch" in f"\n{said}"
    assert store.count(JOB_STATE_NEW) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_dead_evaluation_ends_its_trial_only(
    store: Store, start: Start, number: signal.Signals
) -> None:
    objectives.attach_objective(store, objectives.sleep)
    objectives.queue(store, 600)
    worker = start()
    until(lambda: store.count(JOB_STATE_RUNNING))
    time.sleep(1)  # until the process has received it
    for process in evaluation_processes(worker):
        process.send_signal(number)
    until(lambda: store.finished())
    (ended,) = store.finished()
    if number == signal.SIGKILL:
        assert ended["result"]["failure"]["kind"] == "out_of_memory"
    else:
        assert ended["state"] == JOB_STATE_ERROR
        assert f"ended with status {-number}" in ended["error"]
    objectives.queue(store, 0, first=1)
    until(lambda: len(store.finished()) == 2)
    assert store.finished()[1]["result"]["loss"] == 0


def evaluation_processes(worker: subprocess.Popen) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(worker.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_worker_survives_evaluation_process_killed_at_start(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.Padded())
    objectives.queue(store, 0.5)
    worker = start()
    killed: set[int] = set()
    while len(killed) < 2:  # before it has read the objective
        for process in evaluation_processes(worker):
            if process.pid not in killed:
                process.kill()
                killed.add(process.pid)
    until(lambda: store.finished())
    (trial,) = store.finished()
    assert trial["result"]["pid"] not in killed
    assert trial["attempts"] == 0


def test_worker_survives_idle_evaluation_process_killed(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.5)
    worker = start()
    until(lambda: len(store.finished()) == 1)
    for tid in (1, 2):
        until(lambda: evaluation_processes(worker))
        (process,) = evaluation_processes(worker)
        process.kill()
        objectives.queue(store, 0.5, first=tid)
        until(lambda done=tid + 1: len(store.finished()) == done)
    pids = {trial["result"]["pid"] for trial in store.finished()}
    assert len(pids) == 3
    assert worker.poll() is None


def test_evaluation_process_that_dies_at_each_start_ends_the_worker(
    store: Store, start: Start
) -> None:
    objectives.attach_objective(store, objectives.Deadly())
    objectives.queue(store, 0.5)
    worker = start()
    _, message = worker.communicate(timeout=180)
    assert worker.returncode == 1
    assert "hpconv: the evaluation process ended with status 7, 4 times in a row" in message
    assert "Traceback" not in message
    assert store.count(JOB_STATE_NEW) == 1


def test_consecutive_programming_errors_end_the_worker(store: Store, start_images: Start) -> None:
    for _ in range(5):
        queue(store, l0eg_alpha="high")
    assert start_images().wait(60) != 0
    failed = store.finished()
    assert len(failed) == 4
    assert "could not convert string to float" in failed[0]["error"]
    assert store.count(JOB_STATE_NEW) == 1


def test_user_objective_is_evaluated(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.square)
    objectives.queue(store, 0.5)
    start()
    until(lambda: store.count(JOB_STATE_DONE))
    result = store.finished()[0]["result"]
    assert result == {"status": "ok", "loss": 0.25, "good": True, "steps": [0, 1]}


def test_worker_uses_the_latest_objective(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.5)
    start()
    until(lambda: store.count(JOB_STATE_DONE) == 1)
    objectives.attach_objective(store, objectives.square)
    time.sleep(2 * HEARTBEAT_SECONDS)
    objectives.queue(store, 0.5, first=1)
    until(lambda: store.count(JOB_STATE_DONE) == 2)
    assert [trial["result"]["loss"] for trial in store.finished()] == [0.0, 0.25]


def test_attachments_have_a_size_limit(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.attach)
    objectives.queue(store, 2, 17)
    start()
    until(lambda: len(store.finished()) == 2)
    kept, refused = store.finished()
    ((name, file),) = kept["_attachments"]
    assert name == "blob"
    assert len(store.attachments.read(file)) == 2 * 2**20
    assert "attachments of 17.0 MiB, 16 are allowed" in refused["error"]


def test_trial_over_its_memory_limit_is_stopped(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.Swell(Budget(trial_memory_mb=512)))
    objectives.queue(store, 0.6)
    start()
    until(lambda: store.count(JOB_STATE_DONE))
    failure = store.finished()[0]["result"]["failure"]
    assert failure["kind"] == "out_of_memory"
    assert "MiB, 512 are allowed" in failure["reason"]


def test_leaking_process_is_replaced(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.Swell(Budget(trial_memory_mb=1024)))
    objectives.queue(store, 0.01, 0.5, 0.01, 0.01)
    start()
    until(lambda: len(store.finished()) == 4)
    first, second, third, fourth = (trial["result"]["pid"] for trial in store.finished())
    assert first == second != third == fourth


@pytest.mark.parametrize(
    ("options", "reason", "finished"),
    [
        (["--max-jobs", "1"], "--max-jobs", 1),
        (["--last-job-timeout", "0"], "--last-job-timeout", 0),
        (["--reserve-timeout", "1"], "--reserve-timeout", 2),
        (["--walltime", "00:00:25"], "s of walltime are left", 2),
    ],
)
def test_limits_end_the_worker(
    store: Store, start: Start, tmp_path: Path, options: list[str], reason: str, finished: int
) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.1, 0.2)
    process = start(*options)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0
    assert reason in said
    assert json.loads((tmp_path / "record.json").read_text()) == {"finished": finished}
    assert store.count(JOB_STATE_DONE) == finished
    assert store.count_live_workers() == 0


def took_an_hour(store: Store) -> None:
    """Let a trial have ended that took that long."""
    slow = store.reserve("earlier")
    assert slow is not None
    store.finish(slow, "earlier", {"status": "ok", "loss": 0.0})
    hour_ago = slow["book_time"] - timedelta(hours=1)
    store.connection.db.jobs.update_one({"_id": slow["_id"]}, {"$set": {"book_time": hour_ago}})


def test_trial_longer_than_the_walltime_is_not_taken(store: Store, start: Start) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.1, 0.2)
    took_an_hour(store)
    process = start(PBS_WALLTIME="1800")
    _, said = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "the walltime of this job is too short: a trial takes 3600 s" in said
    assert store.count(JOB_STATE_NEW) == 1


def test_worker_requests_another_job_at_the_end_of_its_walltime(
    store: Store, start: Start, tmp_path: Path
) -> None:
    objectives.attach_objective(store, objectives.process)
    process = start("--walltime", "00:00:25", HPCONV_AGAIN=str(tmp_path / "again"))
    assert process.wait(180) == EXIT_AGAIN
    assert (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ([], "either --connection FILE or --mongo HOST:PORT/DB"),
        (["--mongo", "mongodb://me:secret@localhost/db"], "set HPCONV_MONGODB_PASSWORD"),
        (["--mongo", "localhost:7"], "names no database: write HOST:PORT/DATABASE"),
        (["--mongo", "localhost:x/db"], "write HOST:PORT/DATABASE"),
    ],
)
def test_invalid_server_option_is_refused(options: list[str], advice: str) -> None:
    command = [sys.executable, "-m", "hpconv", "worker", "--exp-key", "x", *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert advice in line
    assert "secret" not in line


def test_server_is_given_by_host_port_and_database(
    server: Path, store: Store, tmp_path: Path
) -> None:
    objectives.attach_objective(store, objectives.process)
    objectives.queue(store, 0.1)
    uri = urlsplit(read_json(server)["uri"])
    command = [sys.executable, "-m", "hpconv", "worker", "--exp-key", store.exp_key]
    command += ["--mongo", f"{uri.hostname}:{uri.port}/hpconv", "--max-jobs", "1"]
    environment = os.environ | {"HPCONV_MONGODB_PASSWORD": str(uri.password)}
    assert subprocess.run(command, env=environment, cwd=tmp_path, timeout=180).returncode == 0
    assert store.count(JOB_STATE_DONE) == 1
