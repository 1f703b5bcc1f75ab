"""What jobs have used, as PBS prints it in ``resources_used``."""

import re
from collections.abc import Callable
from typing import NamedTuple

SIZE = re.compile(r"(\d+)([kmgt]?)b")
MEBIBYTES = {"": 2**-20, "k": 2**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20}


class Usage(NamedTuple):
    """What a job has used.

    Attributes:
        memory: the most at a time, in MiB.
        cpu_seconds: of all its cores.
        seconds: since its start.
    """

    memory: float
    cpu_seconds: int
    seconds: int


def read_usage(field: Callable[[str], str]) -> Usage | None:
    """The usage in the fields ``mem``, ``cput`` and ``walltime``; None if they are missing.

    Args:
        field: gives a field's text, or an empty one.
    """
    memory, times = SIZE.fullmatch(field("mem")), [field("cput"), field("walltime")]
    if memory is None or not all(times):
        return None
    cpu_seconds, seconds = map(_seconds, times)
    return Usage(int(memory[1]) * MEBIBYTES[memory[2]], cpu_seconds, seconds)


def _seconds(text: str) -> int:
    """Seconds of HH:MM:SS; the hours may have more digits."""
    hours, minutes, seconds = map(int, text.split(":"))
    return 3600 * hours + 60 * minutes + seconds
