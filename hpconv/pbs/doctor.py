"""Checks a cluster with a short job: does it run, share files, and reach this machine?"""

import json
import logging
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from hpconv.doctor import MISSING, Finding
from hpconv.errors import UserError
from hpconv.mongodb.network import bind_address
from hpconv.pbs.dialects import job_number
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import JobTracker, read_record
from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import NotNow, Scheduler, SubmitError, find
from hpconv.pbs.verdicts import ACTIVE, SUCCESS

WAIT_SECONDS, PAUSE, ASK_EVERY = 600.0, 1.0, 10
GIGABYTES = 10
PREFIX, FIND = "hpconv-pbs-", ("dialect", "request", "queue", "account", "options")

Settings = dict[str, Any]

log = logging.getLogger(__name__)


def examine(profile: Path) -> Iterator[Finding]:
    """Check the cluster of a profile with a job of one minute."""
    settings = _read(profile)
    try:
        ours = {key.removeprefix(PREFIX): value for key, value in settings.items()}
        scheduler = find(**{key: ours.get(key) for key in FIND})
    except UserError as error:
        yield Finding("scheduler", MISSING, str(error))
        return
    yield Finding("scheduler", scheduler.dialect.name)
    yield _walltime(settings)
    yield _conda()
    yield from _test_job(scheduler, settings)


def _read(profile: Path) -> Settings:
    path = profile / "config.yaml"
    if not path.exists():
        raise UserError(f"--profile is '{profile}', which has no config.yaml: try profiles/pbs")
    return yaml.safe_load(path.read_text()) or {}


def _walltime(settings: Settings) -> Finding:
    default = settings.get("default-resources", {}).get("runtime", 60)
    minutes = settings.get("set-resources", {}).get("worker", {}).get("runtime", default)
    found = f"{minutes} minutes for a worker"
    if minutes < 30:
        advice = "trials of 10 minutes are allowed (search.trial_seconds): give workers an hour"
        return Finding("walltime", found, advice)
    return Finding("walltime", found)


def _conda() -> Finding:
    found = shutil.which("mamba") or shutil.which("conda")
    return Finding("conda", found or "none (needed only with --sdm conda)")


def _test_job(scheduler: Scheduler, settings: Settings) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix=".hpconv-doctor-", dir=Path.cwd()) as here:
        folder, token = JobFiles(Path(here), "doctor"), Path(here, "token")
        folder.begin()
        folder.heartbeat.touch()
        token.write_text("seen")
        stem = folder.stem("hp-doctor")
        with closing(socket.create_server((_own_address(), 0))) as listener:
            address = "{}:{}".format(*listener.getsockname())
            probe = [sys.executable, "-m", "hpconv.pbs.probe", address, str(token)]
            work = f"{shlex.join(probe)} > {shlex.quote(str(stem))}.found"
            prologue = settings.get(f"{PREFIX}prologue") or ""
            script = folder.write_script(stem, work, 1, prologue)
            yield from _follow(scheduler, folder, stem, script)


def _own_address() -> str:
    # as a server in a job does: the address of the host's name, unless that is loopback
    return bind_address(socket.gethostbyname(socket.gethostname()))


def _follow(scheduler: Scheduler, folder: JobFiles, stem: Path, script: Path) -> Iterator[Finding]:
    start = time.monotonic()
    try:
        resources, id_file = Resources(cpus=1, memory=500, minutes=1), folder.id_file(stem)
        job = scheduler.submit(
            script, "hp-doctor", output=folder.log(stem), id_file=id_file, resources=resources
        )
    except (NotNow, SubmitError) as refusal:
        yield Finding("test job", MISSING, str(refusal))
        return
    state = _await(scheduler, stem, job)
    if state is not None:
        scheduler.delete([job])
        log = folder.log(stem)
        said = log.read_text()[-500:] if log.exists() else ""
        yield Finding("test job", MISSING, f"{job}: {state} {said}".strip())
        return
    yield Finding("test job", f"{job} finished after {time.monotonic() - start:.0f} s")
    yield from _found(json.loads(stem.with_suffix(".found").read_text()))


def _await(scheduler: Scheduler, stem: Path, job: str) -> str | None:
    """The reason why the job did not finish; None if it did."""
    tracker, status = JobTracker(scheduler.dialect, minutes=1, patience=60), None
    comment = ""
    for second in range(int(WAIT_SECONDS)):
        if second % ASK_EVERY == ASK_EVERY - 1:
            status = scheduler.query([job]) or status
        row = status.jobs.get(job_number(job)) if status else None
        unknown = status is not None and job_number(job) in status.unknown
        if row and row.state == "waiting" and row.comment != comment:
            comment = row.comment
            log.info("%s waits in the queue: %s", job, comment)
        kind, reason = tracker.state(read_record(stem.with_suffix(".record")), row, unknown)
        if kind != ACTIVE:
            return None if kind == SUCCESS else reason
        time.sleep(PAUSE)
    why = comment or "is the queue full or stopped?"
    return f"it is still waiting after {WAIT_SECONDS / 60:.0f} minutes: {why}"


def _found(found: dict[str, Any]) -> Iterator[Finding]:
    host = found["host"]
    if found["file"] == "seen":
        yield Finding("files", f"this folder is shared with {host}, in both directions")
    else:
        advice = "start in a folder on a file system that all nodes share"
        yield Finding("files", MISSING, f"{host} does not see files written here: {advice}")
    if found["reached"] is None:
        yield Finding("network", f"{host} reaches this machine")
    else:
        advice = "set config key 'database.bind' to the interface that the nodes share, such as ib0"
        yield Finding("network", f"{host} cannot reach this machine: {found['reached']}", advice)
    yield Finding("mongod", found["mongod"])
    yield Finding("kernels", f"{found['kernels']} on {host}")
    few = found["free_gb"] < GIGABYTES
    advice = f"a search and its features may need more than {GIGABYTES} GiB" if few else ""
    yield Finding("disk", f"{found['free_gb']:.0f} GiB free", advice)
