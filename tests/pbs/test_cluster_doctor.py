"""The doctor tries a cluster with a job, and says what to do."""

import os
import subprocess
import sys
from pathlib import Path

from tests.pbs.fake.harness import FAKE, Fake

PROFILE = Path(__file__).parents[2] / "profiles/pbs"


def doctor(folder: Path, profile: Path, path: str, pbs: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hpconv", "doctor", "--profile", str(profile)]
    environment = os.environ | {"PATH": path, "FAKE_PBS": str(pbs)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_cluster_that_works_is_looked_at_by_a_job(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "torque")
    try:
        found = doctor(tmp_path, PROFILE, f"{FAKE}:{os.environ['PATH']}", fake.folder)
    finally:
        fake.stop()
    assert found.returncode == 0, found.stdout + found.stderr
    for words in (
        "scheduler torque",
        "finished after",
        "both directions",
        "reaches this machine",
        "GiB free",
    ):
        assert words in found.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["pbs"], "nothing is left"


def test_a_job_that_is_refused_is_reported(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "openpbs")
    fake.faults(refuse="qsub: Unauthorized Request")
    try:
        found = doctor(tmp_path, PROFILE, f"{FAKE}:{os.environ['PATH']}", fake.folder)
    finally:
        fake.stop()
    assert found.returncode == 1
    assert "test job  missing" in found.stdout
    assert "Unauthorized Request" in found.stdout


def test_the_reason_why_the_job_waits_is_shown(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "openpbs", "--cpus", "1")
    (fake.work / "busy.sh").write_text("sleep 15\n")
    fake.wait(fake.sized("busy.sh"), {"R"})
    try:
        found = doctor(tmp_path, PROFILE, f"{FAKE}:{os.environ['PATH']}", fake.folder)
    finally:
        fake.stop()
    assert found.returncode == 0, found.stdout + found.stderr
    assert "waits in the queue: Not Running: Insufficient amount of resource" in found.stderr


def test_a_machine_without_pbs_is_told_so(tmp_path: Path) -> None:
    found = doctor(tmp_path, PROFILE, "/nowhere", tmp_path)
    assert found.returncode == 1
    assert "qstat is not on PATH" in found.stdout


def test_a_profile_that_is_none_is_refused(tmp_path: Path) -> None:
    found = doctor(tmp_path, tmp_path, "/nowhere", tmp_path)
    assert found.returncode == 1
    assert "which has no config.yaml: try profiles/pbs" in found.stderr
