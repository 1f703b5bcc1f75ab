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
def test_parse_duration(text: str, expected: float) -> None:
    assert walltime.parse_duration(text, "--walltime") == expected


def test_invalid_duration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_WALLTIME", "4h")
    with pytest.raises(UserError, match="PBS_WALLTIME is '4h': write HH:MM:SS"):
        Walltime(None)


def test_no_limit_without_a_scheduler() -> None:
    assert Walltime(None).seconds_left() == inf


def test_walltime_option_counts_from_process_start() -> None:
    assert 0 < Walltime(36000).seconds_left() < 36000


def test_walltime_from_torques_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_WALLTIME", "36000")
    assert 0 < Walltime(None).seconds_left() < 36000


def test_walltime_from_qstat(qstat: Path) -> None:
    qstat.write_text(RECORDED.read_text().replace("00:01:00", "100:00:00"))
    assert 0 < Walltime(None).seconds_left() < 360_000


def test_used_walltime_is_subtracted(qstat: Path) -> None:
    used = "\tresources_used.walltime = 99:00:00\n"
    qstat.write_text(RECORDED.read_text().replace("00:01:00", "100:00:00") + used)
    assert 0 < Walltime(None).seconds_left() <= 3600


@pytest.mark.parametrize("answer", ["", "qstat: Unknown Job Id 28"])
def test_no_limit_if_qstat_does_not_know_the_job(qstat: Path, answer: str) -> None:
    qstat.write_text(answer)
    assert Walltime(None).seconds_left() == inf


def test_no_limit_without_qstat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_JOBID", "28")
    monkeypatch.setenv("PATH", "/nowhere")
    assert Walltime(None).seconds_left() == inf
