"""What this working directory has in the queue, as files: it outlives a workflow that is killed."""

import os
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from hpconv.files import write_atomically
from hpconv.pbs.dialects import job_id

SCRIPT = Path(__file__).with_name("jobscript.sh")
# what jobs need of the environment in which the workflow was started
PASSED_ON = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
OURS = "HPCONV_"  # addresses and passwords: on no command line, where everybody sees them


class JobFiles:
    """Scripts, ids, records and logs of jobs; a place is a path without its suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self.token = secrets.token_hex(4)  # of this run
        self._numbers = count(1)

    def begin(self) -> None:
        """Begin a run: scripts of an earlier one that still wait do nothing when they start."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for leftover in self._path.glob("*.*"):
            leftover.unlink()
        write_atomically(self._run, self.token)
        write_atomically(self._environment, "".join(_exports(os.environ)), mode=0o600)

    def end(self) -> None:
        """End a run; jobs that should be gone find nothing to begin with."""
        self._environment.unlink(missing_ok=True)
        self._run.unlink(missing_ok=True)

    @property
    def _logs(self) -> Path:
        return self._path / "logs"

    @property
    def _run(self) -> Path:
        return self._path / "run"

    @property
    def _environment(self) -> Path:
        return self._path / "environment.sh"

    def place(self, name: str) -> Path:
        """A new place for a job of this run."""
        return self._path / f"{name}-{self.token}-{next(self._numbers)}"

    def log(self, place: Path) -> Path:
        """Where a job's output goes."""
        return self._logs / f"{place.name}.log"

    def write_script(self, place: Path, work: str, minutes: int, prologue: str) -> Path:
        """Write the script of a job that does some work (a shell command)."""
        values = {
            "PLACE": shlex.quote(str(place)),
            "RUN": shlex.quote(str(self._run)),
            "TOKEN": self.token,
            "ENVIRONMENT": shlex.quote(str(self._environment)),
            "SECONDS": str(60 * minutes),
            "PROLOGUE": prologue,
            "WORK": work,
        }
        text = SCRIPT.read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        script = place.with_suffix(".sh")
        write_atomically(script, text, mode=0o755)
        return script

    def answer(self, place: Path) -> Path:
        """Where qsub writes the id of a job, even if the workflow ends meanwhile."""
        return place.with_suffix(".id")

    def submitted(self) -> bool:
        """Whether this run has jobs that have not been forgotten, or is about to."""
        return any(self._path.glob(f"*-{self.token}-*.id"))

    def registered(self, token: str = "*") -> dict[Path, str]:
        """The ids of jobs, of one run or all, that have not been forgotten, by place."""
        found = {path: job_id(path.read_text()) for path in self._path.glob(f"*-{token}-*.id")}
        return {path.with_suffix(""): job for path, job in found.items() if job}

    def mark_failed(self, name: str) -> None:
        """Tell those who wait for a job that there will be no more of it."""
        (self._path / f"{name}.failed").touch()

    def forget(self, places: Iterable[Path]) -> None:
        """Remove what is left of jobs that are over, but their logs."""
        for place in places:
            for suffix in (".sh", ".id", ".record", ".again"):
                place.with_suffix(suffix).unlink(missing_ok=True)


def _exports(environment: Mapping[str, str]) -> Iterable[str]:
    python = Path(sys.executable).parent  # where `hpconv` is, environment activated or not
    for name, value in {**environment, "PATH": f"{python}:{environment['PATH']}"}.items():
        if name in PASSED_ON or name.startswith(OURS):
            yield f"export {name}={shlex.quote(value)}\n"
