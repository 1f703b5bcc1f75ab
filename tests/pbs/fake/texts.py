"""Forms that the dialects' texts have in common."""

import re
import time
from typing import Any

DURATION = re.compile(r"\d+(:\d+){0,3}")
WIDTH = 78


def flat(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """Nested fields as the text form writes them; Variable_List is one line."""
    rows: list[tuple[str, Any]] = []
    for key, value in fields.items():
        if key == "Variable_List" and isinstance(value, dict):
            rows.append((key, ",".join(f"{name}={text}" for name, text in value.items())))
        elif isinstance(value, dict):
            rows += [(f"{key}.{name}", text) for name, text in value.items()]
        else:
            rows.append((key, value))
    return rows


def text_form(identity: str, fields: dict[str, Any]) -> str:
    """``qstat -f``: long values go on in lines that begin with a tab."""
    lines = [f"    {key} = {value}" for key, value in flat(fields)]
    pieces = [[line[i : i + WIDTH] for i in range(0, len(line), WIDTH)] for line in lines]
    return "\n".join([f"Job Id: {identity}", *("\n\t".join(line) for line in pieces)]) + "\n\n"


def hms(seconds: float) -> str:
    """HH:MM:SS."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def seconds(text: str) -> int:
    """Read what ``hms`` writes, or seconds."""
    if not DURATION.fullmatch(text):
        raise ValueError(text)
    factors = (1, 60, 3600, 86400)
    return sum(int(part) * by for part, by in zip(reversed(text.split(":")), factors, strict=False))


def pairs(text: str, separator: str = ",") -> dict[str, str]:
    """``a=1,b=2``; a part without a value is a key too."""
    parts = (part.partition("=") for part in text.split(separator) if part)
    return {key: value for key, _, value in parts}


def moment(seconds: float) -> str:
    return time.strftime("%a %b %d at %H:%M", time.localtime(seconds))


def count(chunk: str) -> int:
    """How many chunks or nodes; a chunk may begin with its first resource, or with a host."""
    first = chunk.split(":")[0]
    return int(first) if first.isdigit() else 1
