"""The efficiency report: what the jobs of each rule requested and what they used."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from hpconv.files import write_atomically
from hpconv.pbs.dialects import job_number
from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import QueueStatus, Scheduler
from hpconv.pbs.threads import Submission
from hpconv.pbs.usage import Usage
from hpconv.processes import poll_until

WASTED_MIB = 500  # advice if more than this and half of the requested memory were not used
FINAL_SECONDS, FINAL_PAUSE = 10.0, 2.0  # for the scheduler to tell what the last jobs used


class Row(NamedTuple):
    """A rule's jobs. Memory in MiB, walltime in minutes: the most of any job. Cores: the mean."""

    rule: str
    jobs: int
    memory_requested: int
    memory_used: float
    cores_requested: int
    cores_used: float
    minutes_requested: int
    minutes_used: float

    @classmethod
    def of(cls, rule: str, jobs: Sequence[tuple[Resources, Usage]]) -> Self:
        """Summarise jobs."""
        requests, usages = zip(*jobs, strict=True)
        seconds = sum(usage.seconds for usage in usages)
        return cls(
            rule,
            len(jobs),
            max(request.memory for request in requests),
            round(max(usage.memory for usage in usages), 1),
            max(request.cpus for request in requests),
            round(sum(usage.cpu_seconds for usage in usages) / max(seconds, 1), 2),
            max(request.minutes for request in requests),
            round(max(usage.seconds for usage in usages) / 60, 1),
        )

    def line(self) -> str:
        """The row for people."""
        return (
            f"  {self.rule:16} {self.jobs:4}"
            f"  {self.memory_used:8.0f} of {self.memory_requested} MiB"
            f"  {self.cores_used:5.1f} of {self.cores_requested} cores"
            f"  {self.minutes_used:6.1f} of {self.minutes_requested} minutes"
        )

    def unused(self) -> float:
        """MiB-minutes that were requested and not used, if a smaller request would be enough."""
        unused = self.memory_requested - self.memory_used
        wasteful = unused > max(WASTED_MIB, self.memory_requested / 2)
        return unused * self.jobs * max(self.minutes_used, 0.1) if wasteful else 0.0


class Efficiency:
    """Collects what a run's jobs have used.

    Args:
        path: of the report; without one nothing is collected.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._jobs: dict[str, Submission] = {}  # by job id
        self._used: dict[str, Usage] = {}
        self._over: set[str] = set()

    def follow(self, active: Iterable[Submission], status: QueueStatus) -> list[str]:
        """Read qstat's output; returns the jobs to ask about: the active ones, and ended ones
        whose usage may still grow.
        """
        jobs = {each.job: each for each in active if each.job}
        if self._path is None:
            return list(jobs)
        self._jobs |= jobs
        for job in self._open():
            row = status.jobs.get(job_number(job))
            if row is not None and row.used is not None:
                self._used[job] = row.used
            if job_number(job) in status.unknown or (row is not None and row.state == "over"):
                self._over.add(job)
        return self._open()

    def _open(self) -> list[str]:
        return [job for job in self._jobs if job not in self._over]

    def await_ends(self, scheduler: Scheduler) -> None:
        """Ask for what the last jobs used, which the scheduler knows shortly after their end."""
        poll_until(lambda: not self._ask(scheduler), FINAL_SECONDS, FINAL_PAUSE)

    def _ask(self, scheduler: Scheduler) -> list[str]:
        jobs = self._open()
        status = scheduler.query(jobs) if jobs else None
        return self.follow([], status or QueueStatus())

    def report(self) -> str:
        """Write the report; returns the table, or an empty text without a path or jobs."""
        if self._path is None or not self._jobs:
            return ""
        by_rule = defaultdict(list)
        for job, usage in self._used.items():
            by_rule[self._jobs[job].rule].append((self._jobs[job].resources, usage))
        rows = [Row.of(rule, jobs) for rule, jobs in by_rule.items()]
        if not rows:
            return f"{self._path} is not written: the scheduler does not report what jobs used"
        try:
            _write(rows, self._path)
        except OSError as error:
            return _describe(rows, f"{self._path} cannot be written: {error.strerror}")
        return _describe(rows, str(self._path))


def _write(rows: Sequence[Row], path: Path) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Row._fields, *rows])
    write_atomically(path, text.getvalue())


def _describe(rows: Sequence[Row], place: str) -> str:
    lines = [f"What jobs used of their requests ({place}):", *(row.line() for row in rows)]
    worst = max(rows, key=Row.unused)
    if worst.unused() > 0:
        used, requested = worst.memory_used / 1024, worst.memory_requested / 1024
        lines.append(
            f"{worst.rule} used {used:.1f} of {requested:.1f} GiB: request less with mem_mb in "
            "set-resources"
        )
    return "\n".join(lines)
