"""Looking after the cache: what is in it, whether it is whole, making room."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpconv.errors import UserError
from hpconv.features.cache import blocks
from hpconv.features.cache.entry import Entry, entries

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def existing(cache: Path) -> list[Entry]:
    """The entries of a cache.

    Raises:
        UserError: when there is no such folder.
    """
    if not cache.is_dir():
        raise UserError(
            f"option --cache is '{cache}', which is no folder: write that of 'evaluation.cache'"
        )
    return entries(cache)


def summary(entry: Entry) -> dict[str, Any]:
    """An entry as one row of a table; bytes are those on the disk now."""
    facts = entry.facts()
    shape, trial = facts.get("shape", [0]), facts.get("trial", {})
    used = datetime.fromtimestamp(entry.last_used(), UTC).isoformat(timespec="seconds")
    return {
        "key": entry.key,
        "images": shape[0],
        "shape": shape[1:],
        "bytes": entry.bytes(),
        "complete": not entry.missing(),
        "last_used": used if facts else None,
        "experiment": trial.get("experiment"),
        "tid": trial.get("tid"),
    }


def verify(cache: Path) -> Iterator[tuple[Path, bool]]:
    """Every file of the cache, read as a whole, and whether it is sound."""
    for entry in existing(cache):
        files = entry.facts().get("files", {})
        names = {path.name for path in (entry.filters, *entry.blocks()) if path.exists()}
        for name in sorted(names | set(files)):
            recorded = {"checksum": files[name]["sha256"]} if name in files else {}
            path = entry.folder / name
            yield path, blocks.sound(path, key=entry.key, **recorded)


def prune(cache: Path, keep: int) -> Iterator[tuple[Entry, int]]:
    """Remove the entries that were not used for longest, until keep bytes are left.

    An entry that is being written stays.

    Returns:
        each removed entry, and the bytes that it took.
    """
    found = existing(cache)
    total = sum(entry.bytes() for entry in found)
    for entry in sorted(found, key=Entry.last_used):
        if total > keep and not entry.being_written():
            size = entry.bytes()
            entry.remove()
            total -= size
            yield entry, size
        else:
            blocks.sweep(entry.folder)


def parse_size(text: str) -> int:
    """Bytes of a size such as 50GB, 500MB or 1.5TB (units of 1000).

    Raises:
        UserError: when it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?B)", text.strip(), re.IGNORECASE)
    if match is None:
        raise UserError(f"option --keep is '{text}', write a size such as 50GB, 500MB or 1.5TB")
    return int(float(match[1]) * UNITS[match[2].upper()])


def readable(size: int) -> str:
    """A size as a person writes it: 50.0 GB."""
    unit = next((u for u in reversed(UNITS) if size >= UNITS[u]), "B")
    return f"{size / UNITS[unit]:.1f} {unit}" if unit != "B" else f"{size} B"
