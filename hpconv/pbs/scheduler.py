"""Runs qsub, qstat and qdel; Ctrl-C, slow servers and login banners do not disturb them."""

import logging
import re
import shlex
import subprocess
from collections import Counter
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
    JobStatus,
    job_id,
    job_number,
    named,
)
from hpconv.pbs.request import Resources, Template

SECONDS = 30  # time limit of a command
SUBMIT_SECONDS = 180  # after a shorter limit a job could be queued without our knowledge
LOOK_UPS = 5  # jobs missing from qstat's output that are looked up one by one, each time
UNREACHABLE = 162  # exit status if there is no server
UNKNOWN_STATUSES = (153, 35)  # unknown job id; 35 is OpenPBS's for a job that has ended
ENDS = "invalid for state of job"  # of a job that is ending or, on Torque, has ended
UNKNOWN = re.compile(r"Unknown Job Id(?: Error)? (\d+)")
TRANSIENT = re.compile(
    r"cannot connect|connection (refused|timed out|reset)|could not connect|unable to contact"
    r"|timed? ?out|server (busy|shutting down)|end of file|premature end|try again|pbs_iff"
    r"|no route to host|temporarily",
    re.IGNORECASE,
)
# of jobs per user or group: the end of another job makes room
LIMIT = re.compile(r"would exceed .*limit|maximum number of jobs", re.IGNORECASE)

log = logging.getLogger(__name__)


class SubmitError(Exception):
    """The scheduler refused a job; the message has its output and the request."""


class NotNow(Exception):
    """The scheduler may take the job later: it is unreachable, or a limit on jobs is reached."""


@dataclass(frozen=True)
class QueueStatus:
    """qstat's output: the status of known jobs by number, and the numbers of unknown jobs."""

    jobs: dict[str, JobStatus] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def run(
    command: Sequence[str], stdout: int | IO[str] = subprocess.PIPE, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a PBS command; a timeout gives the same exit status as an unreachable server."""
    try:
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C must not reach it
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, UNREACHABLE, "", f"timed out after {seconds} s")


def detect() -> Dialect:
    """Detect the dialect of the commands on PATH.

    Raises:
        UserError: if qstat is not on PATH.
    """
    try:
        result = run(["qstat", "--version"])
    except FileNotFoundError:
        raise UserError(
            "qstat is not on PATH: run this on a submit host, or load the scheduler's module"
        ) from None
    words = result.stdout + result.stderr
    if "pbs_version" in words:
        return OPENPBS
    return TORQUE if re.search(r"^Version: ", words, re.MULTILINE) else SLURM


class Scheduler:
    """The scheduler of this machine.

    Args:
        request: template of a job's request; by default the dialect's.
        options: additional qsub options of every submission, such as queue and account.
    """

    def __init__(
        self, dialect: Dialect, request: Template | None = None, options: Sequence[str] = ()
    ) -> None:
        self.dialect = dialect
        self._request = request or Template.of_dialect(dialect.name)
        self._options = list(options)
        self._query = list(dialect.query)
        self._look_ups: Counter[str] = Counter()

    def submit(
        self, script: Path, name: str, *, output: Path, id_file: Path, resources: Resources
    ) -> str:
        """Submit a script.

        Args:
            output: file for the job's output.
            id_file: file for qsub's output; it survives if this process is killed.

        Returns:
            the job's id.

        Raises:
            NotNow: if the same request may succeed later.
            SubmitError: if the scheduler refuses the job.
        """
        named = ["-N", name[:15], "-j", "oe", "-o", str(output), "-r", "n", "-S", "/bin/bash"]
        asked = [*self._request.options(resources), *self._options, *resources.options]
        command = ["qsub", *named, *asked, str(script)]
        with id_file.open("w") as file:
            result = run(command, file, SUBMIT_SECONDS)
        printed = id_file.read_text()
        if result.returncode == 0 and (job := job_id(printed)):
            return job
        id_file.unlink()
        words = " ".join((printed + result.stderr).split())
        if result.returncode == UNREACHABLE or TRANSIENT.search(words) or LIMIT.search(words):
            raise NotNow(words)
        request = shlex.join(command)
        raise SubmitError(
            f"qsub ended with {result.returncode}: {words}. The request was: {request}"
        )

    def query(self, jobs: Sequence[str]) -> QueueStatus | None:
        """Ask the scheduler about jobs in one call; None if it does not answer.

        Jobs that the answer lacks, as it may be cut off, are looked up one by one, a few each time.
        """
        status = self._ask(jobs)
        if status is None or len(jobs) == 1:
            return status
        found, unknown = dict(status.jobs), set(status.unknown)
        missing = [job for job in jobs if job_number(job) not in found.keys() | unknown]
        for job in sorted(missing, key=self._look_ups.__getitem__)[:LOOK_UPS]:
            self._look_ups[job] += 1
            if single := self._ask([job]):
                found |= single.jobs
                unknown |= single.unknown
        return QueueStatus(found, frozenset(unknown))

    def _ask(self, jobs: Sequence[str]) -> QueueStatus | None:
        result = run(["qstat", *self._query, *jobs])
        if "job history" in result.stderr and "-x" in self._query:
            self._query.remove("-x")  # this server keeps no history and then prints nothing
            return self._ask(jobs)
        if result.returncode not in (0, *UNKNOWN_STATUSES):
            return None
        found = self.dialect.parse(result.stdout)
        unknown = set(UNKNOWN.findall(result.stderr))
        if len(jobs) == 1 and not found and result.returncode in UNKNOWN_STATUSES:
            unknown.add(job_number(jobs[0]))
        return QueueStatus(found, frozenset(unknown))

    def delete(self, jobs: Sequence[str]) -> bool:
        """Request the deletion of jobs, which may take a while; returns whether it was accepted."""
        result = run(["qdel", *jobs])
        words = " ".join((result.stdout + result.stderr).split())
        if result.returncode not in (0, *UNKNOWN_STATUSES) and ENDS not in words:
            log.warning("qdel: %s", words)
            return False
        return True


def find(
    *,
    dialect: str | None = None,
    request: str | None = None,
    queue: str | None = None,
    account: str | None = None,
    options: str | None = None,
) -> Scheduler:
    """The scheduler of this machine, with the settings of a profile.

    Raises:
        UserError: if there is none, the dialect is unknown, or the request template is wrong.
    """
    return Scheduler(
        named(dialect) if dialect else detect(),
        Template.read(Path(request)) if request else None,
        qsub_options(queue, account, options),
    )


def qsub_options(queue: str | None, account: str | None, options: str | None) -> tuple[str, ...]:
    """Options that select a queue and an account, and further ones."""
    chosen = ["-q", queue] if queue else []
    chosen += ["-A", account] if account else []
    return (*chosen, *shlex.split(options or ""))
