"""What the wrappers' qstat tells of a job."""

import os
import time

from dialect import Dialect
from job import Job

PRIORITY = 4294901760


def full(dialect: Dialect, jobs: list[Job]) -> str:
    """``qstat -f``."""
    return "".join(_job(dialect, job) for job in jobs)


def plain(dialect: Dialect, jobs: list[Job]) -> str:
    row = "{:<19.19} {:<16.16} {:<15.15} {:<8.8} {:<1.1} {:<15.15}\n".format
    head = row("Job id", "Name", "Username", "Time Use", "S", "Queue")
    head += row("-" * 19, "-" * 16, "-" * 15, "-" * 8, "-", "-" * 15)
    rows = (
        row(str(job.number), job.name, job.user, _dhm(job.used()), _state(job), dialect.queue)
        for job in jobs
    )
    return head + "".join(rows) if jobs else ""


def _job(dialect: Dialect, job: Job) -> str:
    limit = job.walltime or 365 * 86400
    end = job.ended or (job.started and job.started + limit)
    fields = {
        "Job_Name": job.name,
        "Job_Owner": f"{job.user}@{dialect.head}",
        "job_state": _state(job),
        "queue": dialect.queue,
        "qtime": time.ctime(job.created),
        "mtime": job.started and time.ctime(job.started),
        "ctime": end and time.ctime(end),
        "exec_host": job.node and f"{job.node}/{job.cpus}",
        "Priority": str(0 if job.state == "H" else PRIORITY - job.number),
        "euser": f"{job.user}({os.getuid()})",
        "egroup": f"{job.user}({os.getgid()})",
    } | {f"Resource_List.{key}": value for key, value in job.resources.items()}
    lines = [f"\t{key} = {value}\n" for key, value in fields.items() if value]
    return f"Job Id:\t{job.number}\n{''.join(lines)}\n"


def _state(job: Job) -> str:
    return {"H": "Q", "F": "C"}.get(job.state, job.state)


def _dhm(seconds: float) -> str:
    minutes = int(seconds) // 60
    return f"{minutes // 1440:02}:{minutes // 60 % 24:02}:{minutes % 60:02}"
