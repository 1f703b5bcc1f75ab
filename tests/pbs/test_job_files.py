"""Files of jobs: passwords are private, whatever lies in the folder already."""

import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.runs import Heart
from tests.conftest import until


def test_environment_is_private_and_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, victim = tmp_path / "jobs/0a1b", tmp_path / "victim"
    folder.mkdir(parents=True)
    victim.write_text("kept")
    for name in ("run", "environment.sh"):
        (folder / name).symlink_to(victim)
    monkeypatch.setenv("HPCONV_MONGODB_URI", "mongodb://me:secret@node7")
    files = JobFiles(tmp_path / "jobs", "0a1b")
    files.begin()
    Heart(files.heartbeat).beat()
    assert victim.read_text() == "kept"
    environment = folder / "environment.sh"
    assert stat.S_IMODE(environment.lstat().st_mode) == 0o600
    assert "secret" in environment.read_text()


def test_script_can_be_executed(tmp_path: Path) -> None:
    jobs = JobFiles(tmp_path, "0a1b")
    script = jobs.write_script(jobs.stem("worker"), "true", 1)
    assert script.stat().st_mode & stat.S_IXUSR


def test_temporary_files_of_a_killed_job_are_removed_by_a_later_one(tmp_path: Path) -> None:
    jobs, local = JobFiles(tmp_path / "jobs", "0a1b"), tmp_path / "local"
    jobs.begin()
    Heart(jobs.heartbeat).beat()
    local.mkdir()

    def start(work: str) -> subprocess.Popen[bytes]:
        script = jobs.write_script(jobs.stem("work"), work, 1)
        environment = os.environ | {"TMPDIR": str(local)}
        return subprocess.Popen(["bash", script], env=environment, start_new_session=True)

    killed, alive = start("exec sleep 60"), start('touch "$TMPDIR/mine"; exec sleep 60')
    until(lambda: len(list(local.glob("*"))) == 2 and list(local.glob("*/mine")))
    for process in (*psutil.Process(killed.pid).children(recursive=True), killed):
        process.kill()
        process.wait()
    for folder in local.iterdir():
        os.utime(folder, (0, 0))
    assert start("true").wait() == 0
    (left,) = local.iterdir()
    assert (left / "mine").exists()
    alive.terminate()
    assert alive.wait() == 143
    assert not left.exists()
