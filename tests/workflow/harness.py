"""The workflow in a folder of its own, called as a user calls it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/workflow/tiny.yaml"
HISTORY = "results/demo/trials.jsonl"  # all that a search leaves; what follows takes as long again


def command(folder: Path, *options: str) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    profile = ["--profile", str(ROOT / "profiles/local"), "--configfile", str(TINY)]
    return [*snakemake, *profile, "--directory", str(folder), "--nocolor", *options]


def environment() -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)  # where `hpconv` is, venv activated or not
    return {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        timeout=240,
        check=False,
    )


def planned(folder: Path, *options: str) -> dict[str, int]:
    """How often each rule would run."""
    output = run(folder, "--dry-run", *options).stdout
    table = output.rpartition("Job stats:")[2].partition("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def leftovers(folder: Path) -> list[str]:
    """Processes that still work in a folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            inside = process.cwd() == str(folder)
        except psutil.Error:
            continue
        if inside and process.pid != os.getpid():
            found.append(" ".join(process.info["cmdline"] or []))
    return found
