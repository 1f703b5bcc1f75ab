"""Maintenance of the cache: lists, checks and prunes entries."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from hpconv.errors import UserError
from hpconv.features.cache import blocks
from hpconv.features.cache.entry import Entry, entries

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class EntrySummary(TypedDict):
    """An entry in a table of entries."""

    key: str
    images: int
    shape: list[int]  # of the features of one image
    bytes: int  # on disk now
    complete: bool
    last_used: str | None  # UTC, ISO 8601
    experiment: str | None
    tid: int | None


def existing(cache: Path) -> list[Entry]:
    """The entries of a cache.

    Raises:
        UserError: when the folder does not exist.
    """
    if not cache.is_dir():
        raise UserError(
            f"option --cache is '{cache}', which is not a folder: write that of 'evaluation.cache'"
        )
    return entries(cache)


def summary(entry: Entry) -> EntrySummary:
    """Summarise an entry; without a record its number of images is 0."""
    facts = entry.facts()
    shape, trial = (facts.get("shape", [0]), facts.get("trial")) if facts else ([0], None)
    used = datetime.fromtimestamp(entry.last_used(), UTC).isoformat(timespec="seconds")
    return {
        "key": entry.key,
        "images": shape[0],
        "shape": shape[1:],
        "bytes": entry.bytes(),
        "complete": not entry.missing(),
        "last_used": used if facts else None,
        "experiment": trial["experiment"] if trial else None,
        "tid": trial["tid"] if trial else None,
    }


def verify(cache: Path) -> Iterator[tuple[Path, bool]]:
    """Read every file of the cache; yield its path and whether it is intact."""
    for entry in existing(cache):
        facts = entry.facts()
        files = facts.get("files", {}) if facts else {}
        names = {path.name for path in (entry.filters, *entry.blocks()) if path.exists()}
        for name in sorted(names | set(files)):
            recorded = {"checksum": files[name]["sha256"]} if name in files else {}
            path = entry.folder / name
            yield path, blocks.sound(path, key=entry.key, **recorded)


def prune(cache: Path, keep: int) -> Iterator[tuple[Entry, int]]:
    """Remove the least recently used entries until at most ``keep`` bytes are left.

    Entries that are being written stay.

    Yields:
        each removed entry and its size in bytes.
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
        UserError: when the text is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?B)", text.strip(), re.IGNORECASE)
    if match is None:
        raise UserError(f"option --keep is '{text}', write a size such as 50GB, 500MB or 1.5TB")
    return int(float(match[1]) * UNITS[match[2].upper()])


def readable(size: int) -> str:
    """A size in bytes with a unit, such as 50.0 GB."""
    unit = next((u for u in reversed(UNITS) if size >= UNITS[u]), "B")
    return f"{size / UNITS[unit]:.1f} {unit}" if unit != "B" else f"{size} B"
