"""Files of submitted jobs: scripts, ids, records, logs. They outlive a killed workflow."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from hpconv.files import write_atomically
from hpconv.pbs.dialects import job_id

SCRIPT = Path(__file__).with_name("jobscript.sh")
# environment variables that jobs need from the workflow's environment
PASSED_ON = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
OURS = "HPCONV_"  # may hold passwords: passed in a private file, never on a command line


class JobFiles:
    """Files of the jobs of one run; a job's stem is the path of its files without suffix.

    Args:
        folder: of all runs; only the logs of jobs are kept there after a run.
        token: name of the run.

    Attributes:
        heartbeat: file that exists while the run goes on.
    """

    def __init__(self, folder: Path, token: str) -> None:
        self._logs, self._path = folder.absolute() / "logs", folder.absolute() / token
        self.token = token
        self.heartbeat = self._path / "run"
        self._numbers = count(1)

    def begin(self) -> None:
        """Begin the run."""
        self._logs.mkdir(parents=True, exist_ok=True)
        write_atomically(self._environment, "".join(_exports(os.environ)), mode=0o600)

    def end(self) -> None:
        """End the run; jobs that start later exit at once."""
        self.heartbeat.unlink(missing_ok=True)
        self._environment.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove everything but the logs."""
        shutil.rmtree(self._path, ignore_errors=True)

    @property
    def _environment(self) -> Path:
        return self._path / "environment.sh"

    def stem(self, name: str) -> Path:
        """A new stem for a job of this run."""
        return self._path / f"{name}-{self.token}-{next(self._numbers)}"

    def log(self, stem: Path) -> Path:
        """The file for a job's output."""
        return self._logs / f"{stem.name}.log"

    def write_script(
        self, stem: Path, work: str, minutes: int, *, prologue: str = "", directive: str = ""
    ) -> Path:
        """Write the job script that runs the shell command ``work``.

        Args:
            minutes: its walltime.
            prologue: shell command that runs before.
            directive: line for the scheduler.
        """
        values = {
            "DIRECTIVE": directive or "#",
            "PLACE": shlex.quote(str(stem)),
            "RUN": shlex.quote(str(self.heartbeat)),
            "ENVIRONMENT": shlex.quote(str(self._environment)),
            "SECONDS": str(60 * minutes),
            "PROLOGUE": prologue,
            "WORK": work,
        }
        text = SCRIPT.read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        script = stem.with_suffix(".sh")
        write_atomically(script, text, mode=0o755)
        return script

    def id_file(self, stem: Path) -> Path:
        """The file to which qsub writes a job's id, even if the workflow is killed meanwhile."""
        return stem.with_suffix(".id")

    def submitted(self) -> bool:
        """Whether this run has submitted jobs, or is submitting one."""
        return any(self._path.glob("*.id"))

    def submitted_ids(self) -> dict[Path, str]:
        """Ids of the jobs that this run has submitted, by stem."""
        found = {path: job_id(path.read_text()) for path in self._path.glob("*.id")}
        return {path.with_suffix(""): job for path, job in found.items() if job}

    def mark_failed(self, name: str, reason: str) -> None:
        """Write why a job has failed, for processes that wait for it."""
        write_atomically(self._path / f"{name}.failed", reason)

    def remove(self, stems: Iterable[Path]) -> None:
        """Remove the files of ended jobs, except their logs."""
        for stem in stems:
            for suffix in (".sh", ".id", ".record", ".again"):
                stem.with_suffix(suffix).unlink(missing_ok=True)


def _exports(environment: Mapping[str, str]) -> Iterable[str]:
    python = Path(sys.executable).parent  # has `hpconv`, environment activated or not
    for name, value in {**environment, "PATH": f"{python}:{environment['PATH']}"}.items():
        if name in PASSED_ON or name.startswith(OURS):
            yield f"export {name}={shlex.quote(value)}\n"
