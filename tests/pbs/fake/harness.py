"""A running fake scheduler and its commands, for tests."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.conftest import until

FAKE = Path(__file__).parent
QSTAT = {"openpbs": ["-x", "-f", "-F", "json"], "torque": ["-f", "-x"], "slurm": ["-f"]}
SCRIPTS = {
    "ok.sh": "#!/bin/sh\nexit 0\n",
    "bad.sh": "#!/bin/sh\nexit 3\n",
    "long.sh": "#!/bin/sh\nsleep 100 &\nsleep 100\n",
    "stubborn.sh": "#!/bin/sh\ntrap '' TERM\nsleep 100\n",
}
RESOURCES = {
    "openpbs": ["-l", "select=1:ncpus={cpus}", "-l", "walltime={walltime}"],
    "torque": ["-l", "nodes=1:ppn={cpus},walltime={walltime}"],
    "slurm": ["-l", "nodes=1:ppn={cpus},walltime={walltime}"],
}
Result = tuple[int, str, str]


class Fake:
    """A running scheduler and its commands."""

    def __init__(self, folder: Path, dialect: str, *options: str) -> None:
        self.folder, self.dialect, self.home = folder, dialect, folder / "home"
        self.work = folder / "work"
        for path in (self.home, self.work):
            path.mkdir(parents=True)
        for name, text in SCRIPTS.items():
            (self.work / name).write_text(text)
        command = [sys.executable, str(FAKE / "scheduler.py"), str(folder), "--dialect", dialect]
        self.process = subprocess.Popen(
            [*command, *options], env=os.environ | {"HOME": str(self.home)}
        )
        until((folder / "socket").exists)

    def run(self, command: str, *arguments: str, **variables: str) -> Result:
        environment = os.environ | {"FAKE_PBS": str(self.folder)} | variables
        result = subprocess.run(
            [FAKE / command, *arguments],
            cwd=self.work, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return result.returncode, result.stdout, result.stderr

    def submit(self, *arguments: str) -> str:
        rc, out, err = self.run("qsub", *arguments)
        assert (rc, err) == (0, "")
        return out.strip()

    def sized(self, script: str, *options: str, cpus: int = 1, walltime: int = 60) -> str:
        """Submit with resources in the dialect's form."""
        form = RESOURCES[self.dialect]
        resources = [part.format(cpus=cpus, walltime=walltime) for part in form]
        return self.submit(*options, *resources, script)

    def fields(self, job: str) -> dict[str, Any]:
        rows = parsed(self.dialect, self.run("qstat", *QSTAT[self.dialect], job)[1])
        return next(iter(rows.values()), {})

    def state(self, job: str) -> str:
        return str(self.fields(job).get("job_state", "unknown"))

    def wait(self, job: str, states: set[str]) -> dict[str, Any]:
        until(lambda: self.state(job) in states, 20)
        return self.fields(job)

    def faults(self, **faults: Any) -> None:
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


def parsed(dialect: str, text: str) -> dict[str, dict[str, Any]]:
    """The fields of each job in what qstat printed."""
    if dialect == "openpbs":
        return json.loads(text).get("Jobs", {})
    if dialect == "torque":
        documents = [part for part in text.split('<?xml version="1.0"?>') if part.strip()]
        jobs = [ElementTree.fromstring(part)[0] for part in documents]
        return {str(job.findtext("Job_Id")): _nested(job) for job in jobs}
    blocks = re.findall(r"Job Id:\t(\S+)\n(.*?)\n\n", text, re.DOTALL)
    return {job: dict(re.findall(r"\t(\S+) = (.*)", rows)) for job, rows in blocks}


def _nested(element: ElementTree.Element) -> dict[str, Any]:
    return {child.tag: _nested(child) if len(child) else child.text for child in element}
