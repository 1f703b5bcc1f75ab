"""qsub, qstat and qdel: run so that no Ctrl-C, no slow server and no banner does harm."""

import logging
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hpconv.errors import UserError
from hpconv.pbs.dialects import (
    OPENPBS,
    SLURM,
    TORQUE,
    Dialect,
    Resources,
    Row,
    job_id,
    named,
    number,
)

SECONDS = 30  # for a command to answer
SUBMIT_SECONDS = 180  # given up earlier, a job might be in the queue without our knowing
LOOK_UPS = 5  # calls for single jobs that an answer may have besides
SUBMIT_PAUSES = (2, 5, 15, 30)  # before each new attempt
UNKNOWN_STATUSES = (153, 35)  # 35: of OpenPBS, for a job that has ended
UNKNOWN = re.compile(r"Unknown Job Id(?: Error)? (\d+)")
TRANSIENT = re.compile(
    r"cannot connect|connection (refused|timed out|reset)|could not connect|unable to contact"
    r"|timed? ?out|server (busy|shutting down)|end of file|premature end|try again|pbs_iff"
    r"|no route to host|temporarily",
    re.IGNORECASE,
)

log = logging.getLogger(__name__)


class SubmitError(Exception):
    """The scheduler does not take a job; with its words and the request."""


@dataclass(frozen=True)
class QueueStatus:
    """What qstat says: a row for each job that it knows, and the jobs that it does not."""

    rows: dict[str, Row] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def run(
    command: Sequence[str], stdout: int | IO[str] = subprocess.PIPE, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command of PBS; one that hangs fails like one that finds no server."""
    try:
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 162, "", f"timed out after {seconds} s")


def detect() -> Dialect:
    """The dialect of the commands on PATH.

    Raises:
        UserError: when there are none.
    """
    try:
        told = run(["qstat", "--version"])
    except FileNotFoundError:
        raise UserError(
            "there is no qstat on PATH: run this where jobs are submitted, or load its module"
        ) from None
    words = told.stdout + told.stderr
    if "pbs_version" in words:
        return OPENPBS
    return TORQUE if re.search(r"^Version: ", words, re.MULTILINE) else SLURM


class Scheduler:
    """The scheduler of this machine.

    Args:
        options: what every submission has besides: queue, account and the like.
    """

    def __init__(self, dialect: Dialect, options: Sequence[str] = ()) -> None:
        self.dialect = dialect
        self._options = list(options)
        self._query = list(dialect.query)

    def submit(self, script: Path, name: str, output: Path, answer: Path, ask: Resources) -> str:
        """Submit a script; a server that is busy or away is asked again for a minute.

        Args:
            answer: file for what qsub prints; it is there even if we do not live to read it.

        Returns:
            the job's id.

        Raises:
            SubmitError: when it is refused.
        """
        named = ["-N", name[:15], "-j", "oe", "-o", str(output), "-r", "n", "-S", "/bin/bash"]
        command = ["qsub", *named, *self.dialect.request(ask), *self._options, str(script)]
        for pause in (*SUBMIT_PAUSES, None):
            with answer.open("w") as file:
                told = run(command, file, SUBMIT_SECONDS)
            printed = answer.read_text()
            if told.returncode == 0 and (job := job_id(printed)):
                return job
            words = " ".join((printed + told.stderr).split())
            if pause is None or not (told.returncode == 162 or TRANSIENT.search(words)):
                break
            log.warning("qsub: %s; trying again in %d s", words, pause)
            time.sleep(pause)
        answer.unlink()
        request = shlex.join(command)
        raise SubmitError(f"qsub ended with {told.returncode}: {words}. The request was: {request}")

    def ask(self, jobs: Sequence[str]) -> QueueStatus | None:
        """What the scheduler says of jobs, in one call; None when it cannot be asked now."""
        told = run(["qstat", *self._query, *jobs])
        if "job history" in told.stderr and "-x" in self._query:
            self._query.remove("-x")  # this server keeps none, and then says nothing at all
            return self.ask(jobs)
        if told.returncode not in (0, *UNKNOWN_STATUSES):
            return None
        rows = self.dialect.rows(told.stdout)
        unknown = set(UNKNOWN.findall(told.stderr))
        # absence may be that of a cut answer: who is missing without a word is asked for alone
        missing = {number(job) for job in jobs} - set(rows) - unknown
        for job in sorted(missing)[:LOOK_UPS]:
            if told.returncode in UNKNOWN_STATUSES if len(jobs) == 1 else self._is_unknown(job):
                unknown.add(job)
        return QueueStatus(rows, frozenset(unknown))

    def _is_unknown(self, job: str) -> bool:
        return run(["qstat", *self._query, job]).returncode in UNKNOWN_STATUSES

    def delete(self, jobs: Sequence[str]) -> None:
        """Ask the scheduler to end jobs; that may take it a while."""
        told = run(["qdel", *jobs])
        if told.returncode not in (0, *UNKNOWN_STATUSES):
            log.warning("qdel: %s", " ".join((told.stdout + told.stderr).split()))


def find(
    dialect: str | None = None,
    queue: str | None = None,
    account: str | None = None,
    options: str | None = None,
) -> Scheduler:
    """The scheduler of this machine, with the settings of a profile.

    Raises:
        UserError: when there is none, or the dialect has no such name.
    """
    chosen = ["-q", queue] if queue else []
    chosen += ["-A", account] if account else []
    return Scheduler(
        named(dialect) if dialect else detect(), [*chosen, *shlex.split(options or "")]
    )
