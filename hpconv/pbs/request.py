"""Templates of qsub options, which administrators can read and edit."""

import re
import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Self

from hpconv.errors import UserError

FIELDS = ("cpus", "mem_mb", "walltime", "gpus")
ONLY_WITH_GPUS = re.compile(r"\[([^]]*)\]")


@dataclass(frozen=True)
class Resources:
    """What a job asks for.

    Attributes:
        memory: in MiB.
        minutes: walltime.
        options: qsub options of its rule, which follow those of the profile.
    """

    cpus: int
    memory: int
    minutes: int
    gpus: int = 0
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """Lines of qsub options with fields in braces."""

    lines: tuple[str, ...]

    @classmethod
    def of_dialect(cls, name: str) -> Self:
        """The template that hpconv has for a dialect."""
        return cls._parse((files("hpconv.pbs") / "requests" / f"{name}.txt").read_text(), name)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The template in a file.

        Raises:
            UserError: if the file is missing or has unknown fields.
        """
        try:
            return cls._parse(path.read_text(), str(path))
        except OSError as error:
            raise UserError(
                f"hpconv-pbs-request is '{path}': {error.strerror}; write the path of a template, "
                "or remove the key"
            ) from None

    @classmethod
    def _parse(cls, text: str, name: str) -> Self:
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if line and not line.startswith("#"):
                _check(line, f"{name}, line {number}")
        return cls(tuple(line for line in lines if line and not line.startswith("#")))

    def options(self, resources: Resources) -> list[str]:
        """The options of a job's request."""
        hours, minutes = divmod(resources.minutes, 60)
        values = {
            "cpus": resources.cpus,
            "mem_mb": resources.memory,
            "walltime": f"{hours:02}:{minutes:02}:00",
            "gpus": resources.gpus,
        }
        kept = r"\1" if resources.gpus else ""
        whole = (ONLY_WITH_GPUS.sub(kept, line).format(**values) for line in self.lines)
        return [option for line in whole for option in shlex.split(line)]


def _check(line: str, place: str) -> None:
    try:
        found = [name for _, name, _, _ in Formatter().parse(line) if name is not None]
        shlex.split(line)
    except ValueError as error:
        raise UserError(f"{place}: {error}: {line}") from None
    for name in found:
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise UserError(f"{place}: the field {{{name}}} is unknown: write one of {known}")
