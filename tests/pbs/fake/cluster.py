"""The nodes and the jobs on them."""

import time
from pathlib import Path
from typing import Any

from dialect import Dialect, origin
from faults import Faults
from job import Job
from session import Session

HELD = "job held, too many failed attempts to run"
CANNOT = "Can Never Run: Insufficient amount of resource: ncpus"
WAITS = "Not Running: Insufficient amount of resource: ncpus"
ATTEMPTS = 21
CHECKOUT = Path(__file__).parents[3]  # jobs run the code under test, not another installed checkout
COULD_NOT_START = -3


class Cluster:
    """Starts jobs where cpus are free, and watches them."""

    def __init__(self, folder: Path, dialect: Dialect, nodes: int, cpus: int, keep: float) -> None:
        self.jobs: list[Job] = []
        self.cpus = cpus
        self._dialect, self._faults, self._folder, self._keep = (
            dialect,
            Faults(folder),
            folder,
            keep,
        )
        self._free = {f"n{i}": set(range(cpus)) for i in range(1, nodes + 1)}

    def known(self) -> list[Job]:
        """The jobs that the server has not forgotten."""
        keep = 0 if self._faults.read().get("forget") else self._keep
        return [j for j in self.jobs if j.ended is None or time.time() - j.ended < keep]

    def tick(self) -> None:
        """Look after all jobs."""
        faults = self._faults.read()
        for job in [job for job in self.jobs if job.state == "R"]:
            self._watch(job, faults.get("lose_node"))
        for job in [job for job in self.jobs if job.state == "Q"]:
            self._place(job, faults)

    def stop(self) -> None:
        """Leave no process behind."""
        for job in self.jobs:
            if job.state == "R" and job.session:
                job.session.kill()

    def _watch(self, job: Job, lost: str | None) -> None:
        assert job.session
        if job.node == lost:
            self._lose(job)
            return
        if job.walltime and job.used() > job.walltime:
            job.terminate("walltime")
        status = job.session.ended()
        if status is not None:
            by = {"walltime": self._dialect.killed_by_walltime, "deleted": 271}
            self._free[job.node].update(job.slots)
            job.finish(by.get(job.ending, status))

    def _lose(self, job: Job) -> None:
        """A node is gone; its jobs run again unless they were submitted with -r n."""
        assert job.session
        job.session.kill()
        self._free[job.node].update(job.slots)
        if job.rerunnable:
            job.requeue()
            return
        job.ending = "lost"
        job.finish(None)
        if self._dialect.loses_jobs:
            self.jobs.remove(job)

    def _place(self, job: Job, faults: dict[str, Any]) -> None:
        job.comment = self._obstacle(job, faults)
        if faults.get("never_start") or job.cpus > self.cpus:
            return
        for node, free in self._free.items():
            lost = node == faults.get("lose_node")
            if not lost and node not in job.excluded and len(free) >= job.cpus:
                self._start(job, node)
                return

    def _obstacle(self, job: Job, faults: dict[str, Any]) -> str:
        never = faults.get("never_start") and faults.get("can_never_run")
        return CANNOT if never or job.cpus > self.cpus else WAITS

    def _start(self, job: Job, node: str) -> None:
        folders = {job.output.parent, job.error.parent}
        outputs = (job.output, job.error)
        if not all(folder.is_dir() for folder in folders):
            if self._dialect.holds_without_folder:
                job.hold(HELD, ATTEMPTS)
                return
            if self._dialect.starts_at_home:
                outputs = (self._undelivered(job, "OU"), self._undelivered(job, "ER"))
        job.comment, job.node = "", node
        job.slots = sorted(self._free[node])[: job.cpus]
        try:
            job.start(self._session(job, outputs))
            self._free[node].difference_update(job.slots)
        except OSError:
            job.finish(COULD_NOT_START)

    def _session(self, job: Job, outputs: tuple[Path, Path]) -> Session:
        shell = [job.shell or "/bin/bash"]
        plain = job.script.read_text().startswith("#!") and not job.shell
        command = [*([] if plain else shell), str(job.script)]
        folder = Path.home() if self._dialect.starts_at_home else job.folder
        return Session(command, folder, self._environment(job), outputs, job.umask, job.memory)

    def _undelivered(self, job: Job, stream: str) -> Path:
        return self._folder / "spool" / f"{job.number}.{'OU' if job.join != 'n' else stream}"

    def _environment(self, job: Job) -> dict[str, str]:
        names = {"HOME": str(Path.home()), "USER": job.user, "LOGNAME": job.user}
        system = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/bash", "PBS_ENVIRONMENT": "PBS_BATCH"}
        own = {"PBS_JOBID": self._dialect.identity(job.number), "PBS_JOBNAME": job.name}
        special = self._dialect.environment(job) | {"PYTHONPATH": str(CHECKOUT)}
        return names | system | own | origin(job, self._dialect) | special | job.variables
