"""What OpenPBS's qstat tells of a job."""

import time
from typing import Any

from dialect import Dialect, origin
from job import Job
from texts import hms, moment

ENDINGS = {"walltime": "exceeded resource walltime", "lost": "failed"}


def plain(dialect: Dialect, jobs: list[Job]) -> str:
    row = "{:<17} {:<16} {:<16}  {:>8} {} {:<16}\n".format
    rule = row("-" * 16, "-" * 16, "-" * 16, "-" * 8, "-", "-" * 5).rstrip()
    head = f"Job id            Name             User              Time Use S Queue\n{rule}\n"
    rows = (
        row(
            dialect.identity(job.number), job.name, job.user,
            "00:00:00" if job.state == "F" else "0", job.state, dialect.queue,
        )
        for job in jobs
    )  # fmt: skip
    return head + "".join(rows) if jobs else ""


def fields(dialect: Dialect, job: Job) -> dict[str, Any]:
    host = f"{dialect.head}:"
    every: dict[str, Any] = {
        "Job_Name": job.name,
        "Job_Owner": f"{job.user}@{dialect.head}",
        "resources_used": _used(job),
        "job_state": job.state,
        "queue": dialect.queue,
        "server": dialect.head,
        "Checkpoint": "u",
        "ctime": time.ctime(job.created),
        "Error_Path": f"{host}{job.error}",
        "exec_host": _slots(job),
        "exec_vnode": job.node and _vnode(job),
        "Hold_Types": ("s" if job.starts else "u") if job.state == "H" else "n",
        "Join_Path": job.join,
        "Keep_Files": job.keep,
        "Mail_Points": "a",
        "mtime": time.ctime(job.changed),
        "Output_Path": f"{host}{job.output}",
        "Priority": 0,
        "qtime": time.ctime(job.created),
        "Rerunable": str(job.rerunnable),
        "Resource_List": job.resources,
        "stime": job.started and time.ctime(job.started),
        "obittime": job.ended and job.started and time.ctime(job.ended),
        "session_id": job.session and job.session.id,
        "jobdir": job.session and origin(job, dialect)["PBS_O_HOME"],
        "substate": _substate(job),
        "Variable_List": origin(job, dialect) | job.variables,
        "comment": _comment(dialect, job),
        "etime": job.state != "H" and time.ctime(job.created),
        "run_count": job.starts,
        "Stageout_status": job.ended and 1,
        "Exit_status": job.exit_status,
        "Submit_arguments": job.arguments,
        "history_timestamp": job.ended and int(job.ended),
        "project": "_pbs_project_default",
        "Submit_Host": dialect.head,
    }
    always = {"Priority", "Exit_status"}
    return {key: v for key, v in every.items() if v or (key in always and v is not None)}


def _used(job: Job) -> dict[str, Any] | None:
    if not job.started:
        return None
    seconds, memory = job.measured()
    used = {"cpupercent": 0, "cput": hms(seconds), "mem": f"{memory}kb", "ncpus": job.cpus}
    return used | {"vmem": f"{memory}kb", "walltime": hms(job.used())}


def _slots(job: Job) -> str:
    times = f"*{job.cpus}" if job.cpus > 1 else ""
    return f"{job.node}/{job.slots[0]}{times}" if job.node else ""


def _vnode(job: Job) -> str:
    return f"({job.node}:ncpus={job.cpus})"


def _substate(job: Job) -> int:
    if job.state != "F":
        return {"Q": 10, "H": 20, "R": 42}[job.state]
    return 91 if job.ending == "deleted" else 92 if job.exit_status == 0 else 93


def _comment(dialect: Dialect, job: Job) -> str:
    if job.comment or not job.started:
        return job.comment
    ran = f"Job run at {moment(job.started)} on {_vnode(job)}"
    if job.state != "F":
        return ran
    deleted = {"deleted": f"terminated by {job.user}@{dialect.head}"}
    own = "finished" if job.exit_status == 0 else "failed"
    return f"{ran} and {(ENDINGS | deleted).get(job.ending, own)}"
