"""What the server answers to the three commands."""

import itertools
import signal
from pathlib import Path
from typing import Any

from cluster import Cluster
from dialect import Answer, Dialect, Refused
from faults import Faults
from job import Job
from submit import job_from

FIRST = 101  # with small ids, Slurm's wrapper would find many of them in the id of an unknown job


class Commands:
    """The server's side of qsub, qstat and qdel."""

    def __init__(self, folder: Path, dialect: Dialect, cluster: Cluster) -> None:
        self._dialect, self._cluster, self._faults = dialect, cluster, Faults(folder)
        self._spool = folder / "spool"
        self._spool.mkdir(exist_ok=True)
        self._numbers = itertools.count(FIRST)

    def answer(self, request: dict[str, Any]) -> Answer:
        act = {"qsub": self._qsub, "qstat": self._qstat, "qdel": self._qdel}
        return act[request["command"]](request)

    def _qsub(self, request: dict[str, Any]) -> Answer:
        flags, words = request["flags"], request["words"]
        if refusal := self._faults.read().get("refuse"):
            return self._dialect.refusal("refuse", refusal, flags, words)
        if self._faults.read().get("no_select") and "select" in flags.get("l", ""):
            return self._dialect.refusal("refuse", "-l select is not allowed here", flags, words)
        queued = sum(job.ended is None for job in self._cluster.jobs)
        if queued >= self._faults.read().get("max_queued", queued + 1):
            return self._dialect.refusal("limit", "", flags, words)
        if self._faults.count_down("refuse_submits"):
            return self._dialect.down("qsub", flags, words)
        number = next(self._numbers)
        try:
            job = job_from(request, self._dialect, number, self._spool, self._cluster.cpus)
        except Refused as refused:
            return refused.answer
        self._cluster.jobs.append(job)
        return Answer(0, f"{self._dialect.identity(number)}\n")

    def _qstat(self, request: dict[str, Any]) -> Answer:
        flags = request["flags"]
        shown, rc, err = self._dialect.select(flags, request["words"], self._cluster.known())
        if self._faults.read().get("partial"):
            shown, rc, err = shown[::2], 0, ""
        return Answer(rc, self._dialect.render(flags, shown), err)

    def _qdel(self, request: dict[str, Any]) -> Answer:
        answers = [self._delete(word, request["flags"]) for word in request["words"]]
        rc = next((answer.rc for answer in reversed(answers) if answer.rc), 0)
        return Answer(rc, "".join(a.out for a in answers), "".join(a.err for a in answers))

    def _delete(self, word: str, flags: dict[str, str]) -> Answer:
        jobs = self._dialect.find(word, self._cluster.known())
        job = jobs[-1] if jobs else None
        if job is None or (job.state == "F" and "x" not in flags):
            return self._dialect.deletion(word, job)
        self._end(job, force="force" in flags.get("W", ""))
        if "x" in flags and job.state == "F":
            self._cluster.jobs.remove(job)
        return Answer()

    def _end(self, job: Job, force: bool) -> None:
        if job.session and job.state == "R":
            job.terminate("deleted")
            if force:
                job.session.signal(signal.SIGKILL)
        elif job.state != "F":
            job.ending = "deleted"
            job.finish(None)
