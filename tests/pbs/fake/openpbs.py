"""OpenPBS 23: JSON, a history, negative exit statuses of its own."""

import json
import time

import openpbs_rows
from dialect import Answer, Dialect, Selection
from job import Job
from texts import count, hms, pairs, text_form

NO_HISTORY = "qstat: PBS is not configured to maintain job history\n"
FINISHED = "qstat: {0} Job has finished, use -x or -H to obtain historical job information\n"


class OpenPBS(Dialect):
    head, queue = "pbs-head", "workq"
    version = Answer(0, "pbs_version = 23.06.06\n")
    options = {
        "qsub": "a:A:c:C:e:fGhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz",
        "qstat": "fF:xHwau:ns1prTitEBQqGM",
        "qdel": "W:x",
    }
    keeps = "oedn"
    killed_by_walltime = -29
    holds_without_folder = True
    refusals = {
        "queue": (170, "Unknown queue"),
        "walltime": (166, "Illegal attribute or resource value Resource_List.walltime"),
        "mixed": (
            218,
            '"-lresource=" cannot be used with "select" or "place", resource is: {0}',
        ),
        "refuse": (188, "{0}"),
        "limit": (38, "would exceed complex's per-user limit"),
    }

    def down(self, command: str, flags: dict[str, str], words: list[str]) -> Answer:
        out = self.render(flags, []) if flags.get("F") == "json" else ""
        err = f"Connection refused\n{command}: cannot connect to server {self.head} (errno=15010)\n"
        return Answer(255 if command == "qstat" else 162, out, err)

    def cpus(self, asked: dict[str, str]) -> int:
        select = asked.get("select") or asked.get("nodes")
        if not select:
            return int(asked.get("ncpus", 1))
        chunk = pairs(select, ":")
        return count(select) * int(chunk.get("ncpus") or chunk.get("ppn") or 1)

    def mixed(self, asked: dict[str, str]) -> str | None:
        """A resource of the whole job beside a select."""
        outside = [key for key in ("ncpus", "mem", "ngpus", "nodes") if key in asked]
        return outside[0] if "select" in asked and outside else None

    def resources(
        self, asked: dict[str, str], cpus: int, walltime: int | None
    ) -> dict[str, str | int]:
        select = asked.get("select", f"1:ncpus={cpus}")
        parts = pairs(select, ":") | asked
        listed: dict[str, str | int] = {"mem": parts["mem"]} if "mem" in parts else {}
        listed |= {"ncpus": cpus} | ({"ngpus": int(parts["ngpus"])} if "ngpus" in parts else {})
        listed |= {"nodect": count(select), "place": "free", "select": select}
        return listed | ({"walltime": hms(walltime)} if walltime else {})

    def deletion(self, word: str, job: Job | None) -> Answer:
        """What qdel says of a job that it cannot delete."""
        if job is None:
            return Answer(153, "", f"qdel: Unknown Job Id {self.full(word)}\n")
        return Answer(35, "", f"qdel: Job has finished {self.full(word)}\n")

    def select(self, flags: dict[str, str], words: list[str], jobs: list[Job]) -> Selection:
        past = "x" in flags or "H" in flags
        if past and not self.history:
            return Selection([], 0, NO_HISTORY)
        shown, rc, err = super().select(flags, words, jobs)
        over = [job for job in shown if job.state == "F" and not past]
        if words and over:
            rc, err = 35, err + "".join(FINISHED.format(self.identity(job.number)) for job in over)
        return Selection([job for job in shown if job not in over], rc, err)

    def render(self, flags: dict[str, str], jobs: list[Job]) -> str:
        if "f" not in flags:
            return openpbs_rows.plain(self, jobs)
        if flags.get("F") != "json":
            return "".join(
                text_form(self.identity(job.number), openpbs_rows.fields(self, job)) for job in jobs
            )
        answer = {"timestamp": int(time.time()), "pbs_version": "23.06.06", "pbs_server": self.head}
        # as recorded: only the first of several jobs
        listed = {self.identity(job.number): openpbs_rows.fields(self, job) for job in jobs[:1]}
        full = answer | ({"Jobs": listed} if listed else {})
        return json.dumps(full, indent="\t", separators=(",", ":\t")) + "\n"
