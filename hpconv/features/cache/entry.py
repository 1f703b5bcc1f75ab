"""An entry of the cache: a folder with the features of one pipeline for one data file.

It holds ``block-00000.h5``, ... (``features`` (n, ...) float32, the rows in order), ``filters.h5``
(``filters/I`` and ``means/I``, the I-th bank from below) and ``entry.json``, which says what it
is of. The folder's name is its key (see ``keys``).
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpconv.features.cache import blocks
from hpconv.files import write_atomically

BEING_WRITTEN_SECONDS = 3600  # without a new block: then its writer was killed


@dataclass(frozen=True)
class Entry:
    """The files of an entry."""

    folder: Path

    @property
    def key(self) -> str:
        """What it is of."""
        return self.folder.name

    @property
    def filters(self) -> Path:
        """The filterbanks."""
        return self.folder / "filters.h5"

    def block(self, number: int) -> Path:
        """A block of features, counting from 0."""
        return self.folder / f"block-{number:05}.h5"

    def blocks(self) -> list[Path]:
        """The blocks that are there, in order."""
        return sorted(self.folder.glob("block-*.h5"))

    def facts(self) -> dict[str, Any]:
        """What entry.json says; nothing where there is none."""
        try:
            return json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}

    def record(self, facts: dict[str, Any]) -> None:
        """Write entry.json."""
        write_atomically(self._record, json.dumps(facts, indent=2) + "\n", durable=True)

    def missing(self) -> list[str]:
        """Names of the files that are not there as they were when the entry was completed."""
        files = self.facts().get("files")
        if files is None:
            return [self._record.name]
        return [name for name, file in files.items() if _size(self.folder / name) != file["bytes"]]

    def touch(self) -> None:
        """Note that it was used: entry.json is as old as its last use."""
        with contextlib.suppress(OSError):  # in a cache that others own
            os.utime(self._record)

    def last_used(self) -> float:
        """In seconds since 1970; 0 where nobody has noted it."""
        return blocks.newest([self._record])

    def bytes(self) -> int:
        """What its files take."""
        return sum(_size(path) for path in self._files())

    def being_written(self) -> bool:
        """Whether somebody may be about to complete it."""
        age = time.time() - blocks.newest([self.folder, *self._files()])
        return "files" not in self.facts() and age < BEING_WRITTEN_SECONDS

    def remove(self) -> None:
        """Delete it, its record first: what is left of it by a kill is no entry to anybody."""
        self._record.unlink(missing_ok=True)
        for path in self._files():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody writes it anew
            self.folder.rmdir()

    @property
    def _record(self) -> Path:
        return self.folder / "entry.json"

    def _files(self) -> Iterable[Path]:
        return self.folder.iterdir() if self.folder.exists() else []


def entries(cache: Path) -> list[Entry]:
    """All entries of a cache, by key."""
    named = [path for path in cache.iterdir() if re.fullmatch("[0-9a-f]{20}", path.name)]
    return [Entry(folder) for folder in sorted(named)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
