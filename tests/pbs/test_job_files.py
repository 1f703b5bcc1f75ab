"""Files of jobs: passwords are private, whatever lies in the folder already."""

import stat
from pathlib import Path

import pytest

from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.runs import Heart


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
    script = jobs.write_script(jobs.stem("worker"), "true", 1, "")
    assert script.stat().st_mode & stat.S_IXUSR
