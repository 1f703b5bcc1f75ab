"""Torque 6: XML, finished jobs are kept for a while."""

import torque_rows
from dialect import Answer, Dialect
from job import Job
from texts import count, hms, pairs, text_form

NO_NODES = (
    "Job exceeds queue resource limits MSG=cannot locate feasible nodes "
    "(nodes file is empty, all systems are busy, or no nodes have the requested feature)"
)


class Torque(Dialect):
    head, queue = "tq-head", "batch"
    version = Answer(0, "", "Version: 6.1.3\nCommit: 2a0b37f85c7d644e9217c5ab9e1b9e5c4a7d2d3e\n")
    options = {
        "qsub": "a:A:b:c:C:d:D:e:fF:hIj:k:K:l:L:m:M:nN:o:p:P:q:r:S:t:T:u:v:VW:w:xXz",
        "qstat": "aceEfiG1lMnqQrRstu:W:xB",
        "qdel": "am:pt:W:",
    }
    longest_name = 15
    enforces_memory = True
    loses_jobs = True
    unknown = "qstat: Unknown Job Id Error {0}\n"
    killed_by_walltime = -11
    refusals = {
        "queue": (172, "Unknown queue MSG=requested queue not found"),
        "walltime": (168, "Illegal attribute or resource value for Resource_List.walltime"),
        "too_big": (190, NO_NODES),
        "refuse": (188, "{0}"),
    }

    def down(self, command: str, flags: dict[str, str], words: list[str]) -> Answer:
        where = f"{command}: cannot connect to server {self.head} (errno=111) Connection refused"
        return Answer(255 if command == "qstat" else 162, "", where + "\n")

    def refusal(self, kind: str, detail: str, flags: dict[str, str], words: list[str]) -> Answer:
        rc, text = self.refusals[kind]
        return Answer(rc, "", f"qsub: submit error ({text.format(detail)})\n")

    def cpus(self, asked: dict[str, str]) -> int:
        if "nodes" not in asked:
            return int(asked.get("ncpus", 1))
        return count(asked["nodes"]) * int(pairs(asked["nodes"], ":").get("ppn", 1))

    def resources(
        self, asked: dict[str, str], cpus: int, walltime: int | None
    ) -> dict[str, str | int]:
        limit = {"walltime": hms(walltime)} if walltime else {}
        return {"nodes": "1", **asked, **limit, "nodect": 1}

    def deletion(self, word: str, job: Job | None) -> Answer:
        if job is None:
            return Answer(153, "", f"qdel: nonexistent job id: {word}\n")
        reason = "Request invalid for state of job MSG=invalid state for job - COMPLETE"
        return Answer(170, "", f"qdel: {reason} {self.full(word)}\n")

    def environment(self, job: Job) -> dict[str, str]:
        return {"PBS_WALLTIME": str(job.walltime)} if job.walltime else {}

    def render(self, flags: dict[str, str], jobs: list[Job]) -> str:
        if "x" in flags:
            return "".join(torque_rows.document(self, job) for job in jobs)
        if "f" in flags:
            return "".join(
                text_form(self.identity(job.number), torque_rows.fields(self, job)) for job in jobs
            )
        return torque_rows.plain(self, jobs)

    def _text(self, job: Job) -> str:
        return text_form(self.identity(job.number), torque_rows.fields(self, job))
