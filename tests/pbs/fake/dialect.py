"""What the dialects share."""

from pathlib import Path
from typing import NamedTuple

from job import Job
from texts import seconds


class Answer(NamedTuple):
    """What a command prints and returns."""

    rc: int = 0
    out: str = ""
    err: str = ""


class Selection(NamedTuple):
    """The jobs that qstat shows, and what it complains of."""

    jobs: list[Job]
    rc: int
    err: str


class Refused(Exception):
    """A qsub that fails, with its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class Dialect:
    """OpenPBS and Torque have most of this in common."""

    head: str
    queue: str
    version = Answer()
    options: dict[str, str]  # of each command, for getopt
    keeps = "oen"  # letters that qsub -k knows
    longest_name = 230
    refusals: dict[str, tuple[int, str]]  # of qsub: exit status and words
    unknown = "qstat: Unknown Job Id {0}\n"
    killed_by_walltime: int | None
    umask = 0o077
    history = True
    enforces_memory = False
    holds_without_folder = False  # of the outputs
    loses_jobs = False  # with their node
    starts_at_home = True
    repeats_resources = True  # or else only the last -l counts

    def usage(self, command: str, words: str) -> Answer:
        """An option that this dialect rejects."""
        return Answer(2, "", f"{command}: {words}\nusage: {command} [options]\n")

    def refusal(self, kind: str, detail: str, flags: dict[str, str], words: list[str]) -> Answer:
        """A qsub that the server does not accept."""
        rc, text = self.refusals[kind]
        return Answer(rc, "", f"qsub: {text.format(detail)}\n")

    def identity(self, number: int) -> str:
        return f"{number}.{self.head}"

    def find(self, word: str, jobs: list[Job]) -> list[Job]:
        """The jobs that an argument means."""
        return [job for job in jobs if self.full(word) == self.identity(job.number)]

    def full(self, word: str) -> str:
        return word if "." in word else f"{word}.{self.head}"

    def select(self, flags: dict[str, str], words: list[str], jobs: list[Job]) -> Selection:
        """The jobs that qstat shows."""
        found = {word: self.find(word, jobs) for word in words}
        missing = [self.full(word) for word in words if not found[word]]
        shown = [job for some in found.values() for job in some] if words else jobs
        return Selection(shown, 153 * bool(missing), "".join(map(self.unknown.format, missing)))

    def limit(self, text: str) -> int:
        """The walltime in seconds."""
        return seconds(text)

    def mixed(self, asked: dict[str, str]) -> str | None:
        """A resource that does not go with the others."""
        return None

    def excluded(self, script: str) -> list[str]:
        """Nodes that a script's own lines exclude."""
        return []

    def environment(self, job: Job) -> dict[str, str]:
        """Variables that only this dialect sets in jobs."""
        return {}

    def cpus(self, asked: dict[str, str]) -> int:
        raise NotImplementedError

    def resources(
        self, asked: dict[str, str], cpus: int, walltime: int | None
    ) -> dict[str, str | int]:
        """The Resource_List that qstat tells."""
        raise NotImplementedError

    def deletion(self, word: str, job: Job | None) -> Answer:
        """What qdel says of a job that it cannot delete."""
        raise NotImplementedError

    def down(self, command: str, flags: dict[str, str], words: list[str]) -> Answer:
        """What a command says when the server does not answer."""
        raise NotImplementedError

    def render(self, flags: dict[str, str], jobs: list[Job]) -> str:
        """What qstat prints."""
        raise NotImplementedError


def origin(job: Job, dialect: Dialect) -> dict[str, str]:
    """Where a job was submitted, as its environment and qstat tell."""
    return {
        "PBS_O_HOME": str(Path.home()),
        "PBS_O_LOGNAME": job.user,
        "PBS_O_SHELL": "/bin/bash",
        "PBS_O_WORKDIR": str(job.folder),
        "PBS_O_QUEUE": dialect.queue,
        "PBS_O_HOST": dialect.head,
    }
