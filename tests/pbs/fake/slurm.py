"""Debian's Torque wrappers for Slurm: no exit status, errors on the other stream."""

import re
from pathlib import Path

import slurm_rows
from dialect import Answer, Dialect, Selection
from job import Job
from texts import hms, pairs, seconds

FAILED = "Batch job submission failed: "


class Slurm(Dialect):
    head, queue = "sl-head", "workq"
    options = {
        "qsub": "a:A:b:e:hIj:J:l:m:M:N:o:p:P:q:r:S:t:v:VW:",
        "qstat": "aB:efiGMn1rRqQ:u:W:",
        "qdel": "",
    }
    umask = 0o022
    starts_at_home = False
    repeats_resources = False
    killed_by_walltime = None
    refusals = {
        "queue": (
            1,
            "invalid partition specified: {0}\n" + FAILED + "Invalid partition name specified",
        ),
        "too_big": (1, FAILED + "Requested node configuration is not available"),
        "refuse": (188, FAILED + "{0}"),
        "down": (162, FAILED + "Unable to contact slurm controller (connect failure)"),
    }

    def usage(self, command: str, words: str) -> Answer:
        unknown = re.sub("invalid option -- '(.*)'", r"Unknown option: \1", words)
        return Answer(2, "", f"{unknown}\nUsage:\n    {command} [options]\n\n")

    def down(self, command: str, flags: dict[str, str], words: list[str]) -> Answer:
        if command == "qsub":
            return self.refusal("down", "", flags, words)
        if command == "qstat":
            return Answer(255, "", "Problem loading jobs.\n")
        error = "Unable to contact slurm controller (connect failure)"
        return Answer(162, f"qdel: Kill job error on job id {words[0]}: {error}\n")

    def refusal(self, kind: str, detail: str, flags: dict[str, str], words: list[str]) -> Answer:
        if kind == "walltime":
            return Answer(255, "", f"Invalid time limit specified ({detail})\n")
        rc, text = self.refusals[kind]
        lines = " ".join(f"sbatch: error: {line}\n" for line in text.format(detail).split("\n"))
        return Answer(
            rc,
            "There was an error running the Slurm sbatch command.\nThe command was:\n"
            f"'{_sbatch(flags, words)}'\nand the output was:\n'{lines}'\n",
        )

    def identity(self, number: int) -> str:
        return str(number)

    def find(self, word: str, jobs: list[Job]) -> list[Job]:
        """As the wrapper's pattern does: 991 finds the jobs 9, 99 and 991."""
        return [job for job in jobs if word.startswith(str(job.number))]

    def select(self, flags: dict[str, str], words: list[str], jobs: list[Job]) -> Selection:
        shown = [job for job in jobs if not words or any(self.find(word, [job]) for word in words)]
        return Selection(shown, 0 if shown else 153, "")

    def limit(self, text: str) -> int:
        """Whole minutes."""
        return -(-seconds(text) // 60) * 60

    def cpus(self, asked: dict[str, str]) -> int:
        chunk = pairs(asked.get("select") or asked.get("nodes", ""), ":")
        return int(chunk.get("ncpus") or chunk.get("ppn") or asked.get("ncpus") or 1)

    def resources(
        self, asked: dict[str, str], cpus: int, walltime: int | None
    ) -> dict[str, str | int]:
        return {"walltime": hms(walltime) if walltime else "Infinite", "nodect": 1, "ncpus": cpus}

    def deletion(self, word: str, job: Job | None) -> Answer:
        return Answer(1)

    def excluded(self, script: str) -> list[str]:
        found = re.search("^#SBATCH --exclude=(.*)$", script, re.MULTILINE)
        return found[1].split(",") if found else []

    def environment(self, job: Job) -> dict[str, str]:
        return {"SLURM_JOB_ID": str(job.number), "SLURM_JOBID": str(job.number)}

    def render(self, flags: dict[str, str], jobs: list[Job]) -> str:
        return slurm_rows.full(self, jobs) if "f" in flags else slurm_rows.plain(self, jobs)


def _sbatch(flags: dict[str, str], words: list[str]) -> str:
    """The command that the wrapper shows when it fails."""
    script = words[0] if words else ""
    name = flags.get("N", Path(script).name)
    walltime = pairs(flags.get("l", "")).get("walltime")
    parts = ["/usr/bin/sbatch"]
    parts += [] if "j" in flags else ["-e", flags.get("e", f"{name}.e%A")]
    parts += ["-o", flags.get("o", f"{name}.o%A")]
    parts += [f"-t{-(-seconds(walltime) // 60)}"] if walltime else []
    parts += ["-H"] if "h" in flags else []
    parts += ["-J", flags["N"]] if "N" in flags else []
    parts += ["-p", flags["q"]] if "q" in flags else []
    return " ".join([*parts, script, "2>&1"])
