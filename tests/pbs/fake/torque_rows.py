"""What Torque's qstat tells of a job."""

from html import escape
from typing import Any

from dialect import Dialect, origin
from job import Job
from texts import hms, moment


def document(dialect: Dialect, job: Job) -> str:
    told = {"Job_Id": dialect.identity(job.number)} | fields(dialect, job)
    return f'<?xml version="1.0"?>\n<Data>{_xml("Job", told)}</Data>\n'


def plain(dialect: Dialect, jobs: list[Job]) -> str:
    head = "Job ID                    Name             User            Time Use S Queue\n"
    head += " ".join("-" * width for width in (25, 16, 15, 8, 1, 5)) + "\n"
    rows = (
        f"{dialect.identity(job.number):<26} {job.name:<16} {job.user:<15} "
        f"{'00:00:00' if job.started else '0':>8} {_state(job)} {dialect.queue:<15}\n"
        for job in jobs
    )
    return head + "".join(rows) if jobs else ""


def _state(job: Job) -> str:
    return "C" if job.state == "F" else job.state


def fields(dialect: Dialect, job: Job) -> dict[str, Any]:
    host, left = f"{dialect.head}:", (job.walltime or 0) - int(job.used())
    variables = origin(job, dialect) | {"PBS_O_SERVER": dialect.head} | job.variables
    every: dict[str, Any] = {
        "Job_Name": job.name,
        "Job_Owner": f"{job.user}@{dialect.head}",
        "resources_used": _used(job) if job.state == "F" else None,
        "job_state": _state(job),
        "queue": dialect.queue,
        "server": dialect.head,
        "Checkpoint": "u",
        "ctime": int(job.created),
        "Error_Path": f"{host}{job.error}",
        "exec_host": "+".join(f"{job.node}/{slot}" for slot in job.slots),
        "Hold_Types": "u" if job.state == "H" else "n",
        "Join_Path": job.join,
        "Keep_Files": job.keep,
        "Mail_Points": "a",
        "mtime": int(job.changed),
        "Output_Path": f"{host}{job.output}",
        "Priority": "0",
        "qtime": int(job.created),
        "Rerunable": str(job.rerunnable),
        "Resource_List": job.resources,
        "session_id": job.session and job.session.id,
        "Variable_List": ",".join(f"{key}={value}" for key, value in variables.items()),
        "euser": job.user,
        "egroup": job.user,
        "queue_type": "E",
        "comment": job.started and f"Job started on {moment(job.started)}",
        "etime": job.state != "H" and int(job.created),
        "exit_status": None if job.exit_status is None else str(job.exit_status),
        "submit_args": job.arguments,
        "start_time": job.started and int(job.started),
        "Walltime": {"Remaining": left} if job.state == "R" and job.walltime else None,
        "start_count": job.starts,
        "fault_tolerant": "False",
        "comp_time": job.ended and int(job.ended),
        "job_radix": "0",
        "total_runtime": job.ended and job.started and f"{job.used():.6f}",
        "submit_host": dialect.head,
        "init_work_dir": str(job.folder),
        "request_version": 1,
    }
    return {key: value for key, value in every.items() if value}


def _used(job: Job) -> dict[str, Any] | None:
    if not job.started:
        return None
    seconds, memory = job.measured()
    used = {"cput": hms(seconds), "vmem": f"{memory}kb", "walltime": hms(job.used())}
    return used | {"mem": f"{memory}kb", "energy_used": 0}


def _xml(tag: str, value: Any) -> str:
    inner = "".join(_xml(*item) for item in value.items()) if isinstance(value, dict) else None
    return f"<{tag}>{escape(str(value), quote=False) if inner is None else inner}</{tag}>"
