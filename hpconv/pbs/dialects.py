"""The differences between OpenPBS (and PBS Pro), Torque, and Slurm's Torque wrappers.

qstat's output is read with regular expressions, as only a few fields are needed. OpenPBS is asked
for text: of several jobs its JSON has only the first, and special characters in a job's environment
make it invalid.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from hpconv.errors import UserError
from hpconv.pbs.usage import Usage, read_usage
from hpconv.pbs.verdicts import OPENPBS_VERDICTS, TORQUE_VERDICTS, JobState

JOB_ID = re.compile(r"\d+(\[\d*\])?(\.[\w.-]+)?")
STATES = {
    **dict.fromkeys("QWHTM", "waiting"),
    **dict.fromkeys("REBSU", "running"),
    **dict.fromkeys("FCX", "over"),
}


class JobStatus(NamedTuple):
    """A job's state in the queue: ``waiting``, ``running`` or ``over``."""

    state: str
    exit_status: int | None = None
    comment: str = ""
    used: Usage | None = None
    host: str = ""


@dataclass(frozen=True)
class Dialect:
    """Output formats of one scheduler; ``requests/NAME.txt`` is its request."""

    name: str
    query: tuple[str, ...]  # options of qstat
    job: re.Pattern[str]  # one job in qstat's output: id and fields
    field: str  # pattern of a field's value; {} is the field's name
    states: Mapping[str, str]  # by letter
    verdicts: Mapping[int, JobState]  # by exit status of the scheduler's own
    wraps: bool = False  # long values continue in lines that begin with a tab
    # Slurm's wrappers print neither of these
    exit_status: str = "exit_status"  # name of that field
    used: str = r"^\s+resources_used\.{} = (.*)$"  # pattern of a field of resources_used
    exclude: str = ""  # line of a job script that keeps the job off nodes, if there is a means
    walltime_status: int | None = None  # exit status of a job that exceeded its walltime

    def parse(self, output: str) -> dict[str, JobStatus]:
        """The status of each job in qstat's output, by job number."""
        whole = output.replace("\n\t", "") if self.wraps else output
        return {job_number(job): self._status(text) for job, text in self.job.findall(whole)}

    def _status(self, text: str) -> JobStatus:
        def find(pattern: str, name: str) -> str:
            found = re.search(pattern.format(name), text, re.MULTILINE)
            return found[1] if found else ""

        status = find(self.field, self.exit_status)
        return JobStatus(
            self.states.get(find(self.field, "job_state"), "running"),
            int(status) if status else None,
            find(self.field, "comment"),
            read_usage(partial(find, self.used)),
            find(self.field, "exec_host").partition("/")[0],
        )


def job_number(job: str) -> str:
    """The number in a job id, without the server's name."""
    return job.strip().partition(".")[0]


def job_id(output: str) -> str | None:
    """The job id in qsub's output: the last line that is one, as sites print banners."""
    lines = [line.strip() for line in output.splitlines()]
    return next((line for line in reversed(lines) if JOB_ID.fullmatch(line)), None)


# without the empty line at its end, a job's text is cut off
TEXT_JOB = re.compile(r"^Job Id:\s*(\S+)\n(.*?)\n\n", re.MULTILINE | re.DOTALL)
TEXT_FIELD = r"^\s+{} = (.*)$"

OPENPBS = Dialect(
    "openpbs",
    ("-x", "-f"),
    TEXT_JOB,
    TEXT_FIELD,
    wraps=True,
    exit_status="Exit_status",
    walltime_status=-29,
    states=STATES,
    verdicts=OPENPBS_VERDICTS,
)
TORQUE = Dialect(
    "torque",
    ("-f", "-x"),
    re.compile(r"<Job><Job_Id>(.*?)</Job_Id>(.*?)</Job>", re.DOTALL),
    r"<{0}>(.*?)</{0}>",
    # the memory in Resource_List has the same name
    used=r"<resources_used>(?:<\w+>[^<]*</\w+>)*?<{0}>([^<]*)</{0}>",
    walltime_status=-11,
    states=STATES,
    verdicts=TORQUE_VERDICTS,
)
SLURM = Dialect(
    "slurm",
    ("-f",),
    TEXT_JOB,
    TEXT_FIELD,
    verdicts={},
    states=STATES | {"U": "over"},  # states that the wrappers do not know: out of memory, deadline
    exclude="#SBATCH --exclude={}",
)
DIALECTS = {dialect.name: dialect for dialect in (OPENPBS, TORQUE, SLURM)}


def named(name: str) -> Dialect:
    """The dialect with this name.

    Raises:
        UserError: if the name is unknown.
    """
    if name not in DIALECTS:
        raise UserError(
            f"hpconv-pbs-dialect is '{name}': write one of {', '.join(DIALECTS)}, "
            "or remove the key to detect it"
        )
    return DIALECTS[name]
