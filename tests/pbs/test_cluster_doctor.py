"""The doctor tries a cluster with jobs, and says what to do."""

import getpass
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hpconv.doctor import MISSING
from hpconv.mongodb import connection_file
from hpconv.mongodb.network import free_port
from hpconv.pbs import probe
from hpconv.pbs.doctor import network
from tests.pbs.fake.harness import FAKE, Fake

PROFILE = Path(__file__).parents[2] / "profiles/pbs"


def doctor(
    folder: Path, profile: Path, path: str, pbs: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hpconv", "doctor", "--profile", str(profile), *options]
    environment = os.environ | {"PATH": path, "FAKE_PBS": str(pbs)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180
    )


def test_a_cluster_that_works_is_looked_at_by_jobs(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "torque")
    try:
        found = doctor(tmp_path, PROFILE, f"{FAKE}:{os.environ['PATH']}", fake.folder)
    finally:
        fake.stop()
    assert found.returncode == 0, found.stdout + found.stderr
    assert "qdel" not in found.stderr
    for words in (
        "scheduler torque",
        "mongod started on",
        "finished after",
        "both directions",
        "untested: both jobs ran on",
        "GiB free",
    ):
        assert words in found.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["pbs"], "nothing is left"


def test_a_job_that_is_refused_is_reported(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "openpbs")
    fake.faults(refuse="qsub: Unauthorized Request")
    try:
        site = (tmp_path, PROFILE, f"{FAKE}:{os.environ['PATH']}", fake.folder)
        found, shared = doctor(*site), doctor(*site, "--share")
    finally:
        fake.stop()
    assert found.returncode == shared.returncode == 1
    assert "test job  missing" in found.stdout
    assert "Unauthorized Request" in found.stdout
    assert str(tmp_path) in found.stdout
    assert {"scheduler openpbs", "test job  missing"} <= set(shared.stdout.splitlines())
    for private in (str(tmp_path), socket.gethostname(), getpass.getuser()):
        assert private not in shared.stdout


def test_a_server_that_other_nodes_cannot_reach_is_reported_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.5)
    connection, address = tmp_path / "connection.json", f"127.0.0.1:{free_port()}"
    connection_file.publish(connection, uri=f"mongodb://me:secret@{address}/")
    refused = probe.look(connection)["refused"]
    _, found, advice, _ = network("n2", "n1", refused)
    assert found == MISSING
    assert advice.startswith(f"n2 cannot reach the server on n1: {address}")
    assert advice.endswith("set config key 'database.bind' to the interface that the nodes share")
    assert "secret" not in advice
    assert network("n2", "n1", None).found == "n2 reaches a server on n1"


def test_the_reason_why_a_job_waits_is_shown_and_ctrl_c_leaves_none(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "pbs", "openpbs", "--cpus", "1")
    (fake.work / "busy.sh").write_text("sleep 600\n")
    busy = fake.sized("busy.sh")
    fake.wait(busy, {"R"})
    command = [sys.executable, "-m", "hpconv", "doctor", "--profile", str(PROFILE)]
    commands = f"{FAKE}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": commands, "FAKE_PBS": str(fake.folder)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = next(line for line in process.stdout if "waits in the queue" in line)
        assert "waits in the queue: Not Running: Insufficient amount of resource" in line
        process.send_signal(signal.SIGINT)
        process.wait(180)
        assert [row.split()[0] for row in fake.run("qstat")[1].splitlines()[2:]] == [busy]
    finally:
        process.kill()
        fake.stop()


def test_a_machine_without_pbs_is_told_so(tmp_path: Path) -> None:
    found = doctor(tmp_path, PROFILE, "/nowhere", tmp_path)
    assert found.returncode == 1
    assert "qstat is not on PATH" in found.stdout


def test_a_profile_that_is_none_is_refused(tmp_path: Path) -> None:
    found = doctor(tmp_path, tmp_path, "/nowhere", tmp_path)
    assert found.returncode == 1
    assert "which has no config.yaml: try profiles/pbs" in found.stderr
