"""A job knows how long it may still run."""

from math import inf
from pathlib import Path

import pytest

from hpconv.errors import UserError
from hpconv.worker import walltime
from hpconv.worker.walltime import Walltime

RECORDED = Path(__file__).parents[2] / "fixtures/pbs/slurm-wrappers/running.out"


@pytest.fixture(autouse=True)
def outside_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PBS_JOBID", "PBS_WALLTIME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def qstat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A qstat that prints a file's content, as recorded from a real one."""
    command = tmp_path / "qstat"
    command.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PBS_JOBID", "28")
    return tmp_path / "answer"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("01:30", 90), ("02:00:00", 7200), ("1:00:00:01", 86401), (" 60 ", 60)],
)
def test_durations_are_read_as_schedulers_write_them(text: str, expected: float) -> None:
    assert walltime.parse_duration(text) == expected


def test_a_duration_that_cannot_be_read_is_explained() -> None:
    with pytest.raises(UserError, match="--walltime is '4h': write HH:MM:SS"):
        Walltime("4h")


def test_without_a_scheduler_there_is_no_end() -> None:
    assert Walltime(None).seconds_left() == inf


def test_the_options_walltime_counts_from_the_start_of_the_process() -> None:
    assert 0 < Walltime("10:00:00").seconds_left() < 36000


def test_torque_tells_the_walltime_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_WALLTIME", "36000")
    assert 0 < Walltime(None).seconds_left() < 36000


def test_qstat_tells_the_walltime(qstat: Path) -> None:
    qstat.write_text(RECORDED.read_text().replace("00:01:00", "100:00:00"))
    assert 0 < Walltime(None).seconds_left() < 360_000


def test_what_a_job_has_used_is_gone(qstat: Path) -> None:
    used = "\tresources_used.walltime = 99:00:00\n"
    qstat.write_text(RECORDED.read_text().replace("00:01:00", "100:00:00") + used)
    assert 0 < Walltime(None).seconds_left() <= 3600


@pytest.mark.parametrize("answer", ["", "qstat: Unknown Job Id 28"])
def test_a_qstat_that_does_not_know_means_no_end(qstat: Path, answer: str) -> None:
    qstat.write_text(answer)
    assert Walltime(None).seconds_left() == inf


def test_without_qstat_there_is_no_end_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_JOBID", "28")
    monkeypatch.setenv("PATH", "/nowhere")
    assert Walltime(None).seconds_left() == inf
