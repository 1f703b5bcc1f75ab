"""What differs between OpenPBS (and PBS Pro), Torque, and Slurm's Torque wrappers.

Answers are read with patterns, not parsers: OpenPBS prints JSON that is none when a job's
environment has odd characters, and a few fields are all that matters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hpconv.errors import UserError

JOB_ID = re.compile(r"\d+(\[\d*\])?(\.[\w.-]+)?")
STATES = {
    **dict.fromkeys("QWHTM", "waiting"),
    **dict.fromkeys("REBSU", "running"),
    **dict.fromkeys("FCX", "over"),
}


@dataclass(frozen=True)
class Resources:
    """What a job asks for; memory in MiB, walltime in minutes."""

    cpus: int
    memory: int
    minutes: int
    gpus: int = 0


class Row(NamedTuple):
    """What the scheduler says of a job: waiting, running or over."""

    state: str
    exit_status: int | None = None
    comment: str = ""


@dataclass(frozen=True)
class Dialect:
    """One scheduler's way to be asked and to answer."""

    name: str
    request: Callable[[Resources], list[str]]
    query: tuple[str, ...]  # qstat's options, before the ids
    job: re.Pattern[str]  # one job of an answer: its id, and what is said of it
    field: str  # pattern of a field, with the name to fill in
    exit_status: str = ""  # the name of that field; Slurm's wrappers do not tell it
    walltime_status: int | None = None  # the exit status of a job whose walltime was up

    def rows(self, answer: str) -> dict[str, Row]:
        """What an answer of qstat says of each job, by the number of its id."""
        return {number(job): self._row(text) for job, text in self.job.findall(answer)}

    def _row(self, text: str) -> Row:
        def field(name: str) -> str:
            found = re.search(self.field.format(name), text, re.MULTILINE)
            return found[1] if found else ""

        status = field(self.exit_status) if self.exit_status else ""
        state = STATES.get(field("job_state"), "running")
        return Row(state, int(status) if status else None, field("comment"))


def number(job: str) -> str:
    """The part of an id that names a job whatever the server appends."""
    return job.strip().partition(".")[0]


def job_id(output: str) -> str | None:
    """The id that qsub has printed: in the last line that is one, as sites print banners."""
    lines = [line.strip() for line in output.splitlines()]
    return next((line for line in reversed(lines) if JOB_ID.fullmatch(line)), None)


def _openpbs(ask: Resources) -> list[str]:
    gpus = f":ngpus={ask.gpus}" if ask.gpus else ""
    select = f"select=1:ncpus={ask.cpus}:mem={ask.memory}mb{gpus}"
    # output goes where it belongs while the job runs, and others may read it
    direct = ["-k", "oed", "-W", "umask=022"]
    return ["-l", select, "-l", f"walltime={_clock(ask.minutes)}", *direct]


def _torque(ask: Resources) -> list[str]:
    return [*_nodes(ask), "-W", "umask=022"]


def _nodes(ask: Resources) -> list[str]:
    # one option: of several the wrappers obey only the last
    gpus = f":gpus={ask.gpus}" if ask.gpus else ""
    nodes = f"nodes=1:ppn={ask.cpus}{gpus}"
    return ["-l", f"{nodes},mem={ask.memory}mb,walltime={_clock(ask.minutes)}"]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


OPENPBS = Dialect(
    "openpbs",
    _openpbs,
    ("-x", "-f", "-F", "json"),
    re.compile(r'^\t\t"(\d[^"]*)":\t\{$(.*?)^\t\t\}', re.MULTILINE | re.DOTALL),
    r'^\t\t\t"{}":\t"?(.*?)"?,?$',
    exit_status="Exit_status",
    walltime_status=-29,
)
TORQUE = Dialect(
    "torque",
    _torque,
    ("-f", "-x"),
    re.compile(r"<Job><Job_Id>(.*?)</Job_Id>(.*?)</Job>", re.DOTALL),
    r"<{0}>(.*?)</{0}>",
    exit_status="exit_status",
    walltime_status=-11,
)
SLURM = Dialect(
    "slurm",
    _nodes,
    ("-f",),
    re.compile(r"^Job Id:\s*(\S+)\n(.*?)(?=^Job Id:|\Z)", re.MULTILINE | re.DOTALL),
    r"^\s+{} = (.*)$",
)
DIALECTS = {dialect.name: dialect for dialect in (OPENPBS, TORQUE, SLURM)}


def named(name: str) -> Dialect:
    """The dialect of a name.

    Raises:
        UserError: when there is none of that name.
    """
    if name not in DIALECTS:
        raise UserError(
            f"hpconv-pbs-dialect is '{name}', write one of: {', '.join(DIALECTS)}; or leave it out"
        )
    return DIALECTS[name]
