"""A workflow that is interrupted, or that cannot even begin."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from hpconv.trials import read
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
    assert process.wait(30) != 0
    time.sleep(1)
    assert leftovers(tmp_path) == []
    again = run(tmp_path, HISTORY)
    assert again.returncode == 0, again.stdout
    assert len(read(tmp_path / HISTORY)) == 8


def test_next_run_recovers_from_a_killed_worker(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, HISTORY),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    victim = None
    while victim is None:
        assert process.poll() is None
        victim = next((p for p in psutil.process_iter() if is_worker(p, tmp_path)), None)
    victim.kill()
    assert process.wait(120) != 0
    assert leftovers(tmp_path) == []
    again = run(tmp_path, HISTORY)
    assert again.returncode == 0, again.stdout
    assert len(read(tmp_path / HISTORY)) == 8


def is_worker(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder) and "worker-1" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--config", "search={workers: 0}"],
            "'search.workers' is '0': write an integer (1 or more)",
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
