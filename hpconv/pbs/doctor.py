"""Checks a cluster with two short jobs: a MongoDB server, and a client on another node."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hpconv.doctor import MISSING, Finding
from hpconv.errors import UserError
from hpconv.mongodb import connection_file
from hpconv.pbs import cancel
from hpconv.pbs.doctor_job import DoctorJob
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.profile import Profile
from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import Scheduler, find

GIGABYTES = 10
END_SECONDS = 60.0  # for the server's job to end
SERVER = Resources(cpus=1, memory=3000, minutes=15)  # memory as for server and driver
CLIENT = Resources(cpus=1, memory=500, minutes=2)
PREFIX, FIND = "hpconv-pbs-", ("dialect", "request", "queue", "account", "options")

Settings = dict[str, Any]
Submit = Callable[..., DoctorJob]


def examine(profile: Path) -> Iterator[Finding]:
    """Check the cluster of a profile with jobs of a minute."""
    settings = Profile.read(profile).settings
    try:
        ours = {key.removeprefix(PREFIX): value for key, value in settings.items()}
        scheduler = find(**{key: ours.get(key) for key in FIND})
    except UserError as error:
        yield Finding("scheduler", MISSING, str(error))
        return
    yield Finding("scheduler", scheduler.dialect.name, public=True)
    yield _walltime(settings)
    yield _conda()
    yield from _test(scheduler, ours.get("prologue") or "")


def _walltime(settings: Settings) -> Finding:
    default = settings.get("default-resources", {}).get("runtime", 60)
    minutes = settings.get("set-resources", {}).get("worker", {}).get("runtime", default)
    short = "trials of 10 minutes are allowed (search.trial_seconds): give workers an hour"
    advice = short if minutes < 30 else ""
    return Finding("walltime", f"{minutes} minutes for a worker", advice, public=True)


def _conda() -> Finding:
    found = shutil.which("mamba") or shutil.which("conda")
    return Finding("conda", found or "none (needed only with --sdm conda)")


def _test(scheduler: Scheduler, prologue: str) -> Iterator[Finding]:
    folder = tempfile.TemporaryDirectory(
        prefix=".hpconv-doctor-", dir=Path.cwd(), ignore_cleanup_errors=True
    )
    with folder as here:
        files = JobFiles(Path(here), "doctor")
        files.begin()
        files.heartbeat.touch()
        submit = partial(DoctorJob, scheduler, files, prologue=prologue)
        try:
            yield from _jobs(submit, Path(here))
        except UserError as error:
            yield Finding("test job", MISSING, str(error))
        finally:
            cancel.delete_all(scheduler, files, 0, END_SECONDS)


def _jobs(submit: Submit, here: Path) -> Iterator[Finding]:
    connection = here / "connection.json"
    serve = [sys.executable, "-m", "hpconv", "mongod", "start", "--connection", str(connection)]
    serve += ["--dbpath", str(here / "db"), "--log", str(here / "mongod.log")]
    server = submit("server", serve, resources=SERVER)
    server.until(connection.exists)
    record = connection_file.read(connection)
    if record.error is not None:
        raise UserError(record.error)
    yield Finding("server", f"mongod started on {record.host} after {server.age():.0f} s")
    probe = [sys.executable, "-m", "hpconv.pbs.probe", str(connection)]
    client = submit("client", probe, resources=CLIENT)
    client.until(client.has_finished)
    yield Finding("test job", f"finished after {client.age():.0f} s", public=True)
    yield from _found(json.loads(client.output.read_text()), record.host)


def _found(found: dict[str, Any], server: str) -> Iterator[Finding]:
    host = found["host"]
    yield Finding("files", f"this folder is shared with {host}, in both directions")
    yield network(host, server, found["refused"])
    yield Finding("mongod", found["mongod"])
    yield Finding("kernels", f"{found['kernels']} on {host}")
    few = found["free_gb"] < GIGABYTES
    advice = f"a search and its features may need more than {GIGABYTES} GiB" if few else ""
    yield Finding("disk", f"{found['free_gb']:.0f} GiB free", advice, public=True)


def network(host: str, server: str, refused: str | None) -> Finding:
    """Whether a job on one host reaches the server on another one.

    Args:
        refused: why it does not.
    """
    if refused is not None:
        advice = f"{host} cannot reach the server on {server}: {refused}"
        if "database.bind" not in refused:
            advice += "; set config key 'database.bind' to the interface that the nodes share"
        return Finding("network", MISSING, advice)
    if host == server:
        advice = "repeat it while that node is busy, or request whole nodes in hpconv-pbs-options"
        return Finding("network", f"untested: both jobs ran on {host}", advice)
    return Finding("network", f"{host} reaches a server on {server}")
