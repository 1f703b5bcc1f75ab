"""A workflow that is interrupted, or that cannot even begin."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from hpconv.files import read_json
from hpconv.trials import read
from tests.conftest import until
from tests.pbs.fake.harness import FAKE
from tests.workflow.harness import HISTORY, ROOT, command, environment, leftovers, planned, run


@pytest.mark.parametrize("seconds", [2.5, 6])
def test_ctrl_c_ends_all_processes_and_keeps_all_trials(tmp_path: Path, seconds: float) -> None:
    process = subprocess.Popen(
        command(tmp_path, HISTORY),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to the whole group
    assert process.wait(180) != 0
    time.sleep(1)
    assert leftovers(tmp_path) == []
    again = run(tmp_path, HISTORY)
    assert again.returncode == 0, again.stdout
    assert len(read(tmp_path / HISTORY)) == 8


def begin(folder: Path) -> subprocess.Popen:
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    arguments = command(folder, HISTORY)
    return subprocess.Popen(arguments, stdout=pipe, stderr=out, text=True, env=environment())


def process_of(folder: Path, words: str) -> psutil.Process:
    """The process in a folder whose command line has these words."""
    found = (process for process in psutil.process_iter(["cmdline", "cwd"]))
    return next(
        process
        for process in found
        if process.info["cwd"] == str(folder) and words in " ".join(process.info["cmdline"] or [])
    )


def test_killed_worker_is_started_again_and_named(tmp_path: Path) -> None:
    process = begin(tmp_path)
    log = tmp_path / "results/demo/logs/worker-1.log"
    until(lambda: log.exists() and "trial" in log.read_text())
    process_of(tmp_path, "worker-1.json").kill()
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert "Trying to restart job" in output
    assert "hpconv: the search has ended without 1 of its workers: worker " in output
    assert len(read(tmp_path / HISTORY)) == 8


def test_workers_end_with_their_driver_and_start_again_with_the_next(tmp_path: Path) -> None:
    process = begin(tmp_path)
    until((tmp_path / "results/demo/live/trials.jsonl").exists)
    process_of(tmp_path, "hpconv driver").kill()
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 1, output
    assert leftovers(tmp_path) == []
    again = run(tmp_path, HISTORY)
    assert again.returncode == 0, again.stdout
    assert len(read(tmp_path / HISTORY)) == 8
    assert read_json(tmp_path / "results/demo/search.json")["workers"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--config", "search={workers: 0}"],
            "'search.workers' is '0': write an integer (1 or more, 10000 or less)",
        ),
        (["--config", "serach={workers: 2}"], "'serach' is unknown, did you mean 'search'?"),
        (["--config", "search={start_from: none.jsonl}"], "'search.start_from' is 'none.jsonl'"),
        (["--cores", "2"], "2 job slots are too few"),
        (["--profile", str(ROOT / "profiles/pbs"), "-j", "2"], "-j 2 is too few"),
    ],
)
def test_bad_start_is_refused_in_one_line(
    tmp_path: Path, options: Sequence[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{FAKE}{os.pathsep}{os.environ['PATH']}")  # for profiles/pbs
    result = run(tmp_path, *options)
    assert result.returncode != 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("hpconv:")]
    assert message in line
    assert "Finished jobid" not in result.stdout
    assert not (tmp_path / "results").exists()


def test_dry_run_works_in_a_new_clone(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert (plan["driver"], plan["worker"], plan["retrain"]) == (1, 2, 2)
    assert not (tmp_path / "results").exists()
