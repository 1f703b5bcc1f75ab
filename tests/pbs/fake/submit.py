"""A job from the options of qsub."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dialect import Dialect, Refused
from job import Job
from texts import pairs

UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def job_from(request: dict[str, Any], dialect: Dialect, number: int, spool: Path, most: int) -> Job:
    """Accept a request or refuse it.

    Raises:
        Refused: with the answer of qsub.
    """
    flags, words = request["flags"], request["words"]

    def refuse(kind: str, detail: str = "") -> Refused:
        return Refused(dialect.refusal(kind, detail, flags, words))

    asked = pairs(flags.get("l", ""))
    walltime = _walltime(asked.get("walltime"), dialect, refuse)
    cpus = dialect.cpus(asked)
    if flags.get("q", dialect.queue) != dialect.queue:
        raise refuse("queue", flags["q"])
    if outside := dialect.mixed(asked):
        raise refuse("mixed", outside)
    if cpus > most and "too_big" in dialect.refusals:
        raise refuse("too_big")
    name = flags.get("N") or Path(words[0] if words else "STDIN").name
    output, error = _outputs(flags, f"{request['folder']}/", name, number)
    attributes = pairs(flags.get("W", ""))
    script = spool / f"{number}.SC"
    script.write_text(request["script"])
    script.chmod(0o755)
    return Job(
        number=number,
        name=name,
        user=request["user"],
        script=script,
        folder=Path(request["folder"]),
        output=output,
        error=error,
        join=flags.get("j") or "n",
        keep=flags.get("k", "n"),
        cpus=cpus,
        memory=_memory(asked.get("mem")) if dialect.enforces_memory else None,
        walltime=walltime,
        resources=dialect.resources(asked, cpus, walltime),
        variables=_variables(flags, request["environment"]),
        arguments=request["arguments"],
        shell=flags.get("S"),
        umask=int(attributes["umask"], 8) if "umask" in attributes else dialect.umask,
        rerunnable=flags.get("r", "y") == "y",
        excluded=dialect.excluded(request["script"]),
        state="H" if "h" in flags else "Q",
    )


def _walltime(
    text: str | None, dialect: Dialect, refuse: Callable[[str, str], Refused]
) -> int | None:
    try:
        return dialect.limit(text) if text is not None else None
    except ValueError:
        raise refuse("walltime", text or "") from None


def _memory(text: str | None) -> int | None:
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", text.lower()) if text else None
    return int(match[1]) * UNITS[match[2] or "b"] if match else None


def _outputs(flags: dict[str, str], folder: str, name: str, number: int) -> tuple[Path, Path]:
    """Where the two streams go; one place if they are joined or only -o tells of any."""
    output = _path(flags.get("o", ""), folder, f"{name}.o{number}", number)
    error = _path(flags.get("e", ""), folder, f"{name}.e{number}", number)
    return output, output if "j" in flags and flags["j"] != "n" else error


def _path(given: str, folder: str, default: str, number: int) -> Path:
    """A path may name a host, a folder, and the id as Slurm writes it."""
    local = re.sub(r"^[^/:]*:", "", given).replace("%A", str(number)).replace("%j", str(number))
    path = Path(folder, local)
    return path / default if path.is_dir() else path


def _variables(flags: dict[str, str], submitter: dict[str, str]) -> dict[str, str]:
    """The variables of -v, which may be names of the submitter's, and all of those with -V."""
    everything = submitter if "V" in flags else {}
    parts = [part for part in re.split(r"(?<!\\),", flags.get("v", "")) if part]
    named = {}
    for name, sign, value in (part.partition("=") for part in parts):
        if sign or name in submitter:
            named[name] = value.replace("\\,", ",") if sign else submitter[name]
    return everything | named
