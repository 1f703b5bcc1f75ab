"""One run of the workflow, which several test files look at, each in a copy of its own."""

import fcntl
import os
import re
from pathlib import Path

import pytest

from tests.workflow.harness import run


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the workflow has run once, for all processes that test; to be copied."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "workflow"
    with (base / "workflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ran").exists():
            folder.mkdir()
            result = run(folder)
            assert result.returncode == 0, result.stdout
            assert re.search(r"\d/8 trials: \d ok, .*; best error", result.stdout), "no progress"
            (folder / "ran").touch()
    return folder
