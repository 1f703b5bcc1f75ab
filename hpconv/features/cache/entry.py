"""An entry of the cache: a folder with the features of one pipeline for one data file.

It holds ``block-00000.h5``, ... (``features`` (n, ...) float32, the rows in order), ``filters.h5``
(``filters/I`` and ``means/I``, the I-th bank from below) and ``entry.json``, its record (see
``Facts``). The name of the folder is the key (see ``keys``).
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from hpconv.features.cache import blocks
from hpconv.files import write_atomically
from hpconv.trials import Assignment

BEING_WRITTEN_SECONDS = 3600  # after this time without a new block, the writer was killed


class TrialName(TypedDict):
    """The trial whose features an entry holds first."""

    experiment: str | None
    tid: int


class FileFacts(TypedDict):
    """A finished file of an entry."""

    bytes: int
    sha256: str  # of its arrays


class Facts(TypedDict):
    """The contents of entry.json."""

    key: str
    trial: TrialName
    assignment: Assignment
    checksum: str  # of the images
    engine: str  # cpu or gpu
    kernels: str
    version: str  # of hpconv
    code: str  # see keys.code_version
    shape: NotRequired[list[int]]  # (N, ...) of all features
    complete: NotRequired[bool]
    seconds: NotRequired[float]  # computing time of all files
    files: NotRequired[dict[str, FileFacts]]  # by name, once complete


@dataclass(frozen=True)
class Entry:
    """The files of an entry.

    Attributes:
        folder: the folder of the entry; it may not exist yet.
    """

    folder: Path

    @property
    def key(self) -> str:
        """Hash of everything that determines the features."""
        return self.folder.name

    @property
    def filters(self) -> Path:
        """Path of the filterbanks."""
        return self.folder / "filters.h5"

    def block(self, number: int) -> Path:
        """Path of a block of features, counting from 0."""
        return self.folder / f"block-{number:05}.h5"

    def blocks(self) -> list[Path]:
        """The existing blocks, in order."""
        return sorted(self.folder.glob("block-*.h5"))

    def facts(self) -> Facts | None:
        """The contents of entry.json; None if it does not exist or is damaged."""
        try:
            facts: Facts = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        return facts

    def record(self, facts: Facts) -> None:
        """Write entry.json."""
        write_atomically(self._record, json.dumps(facts, indent=2) + "\n", durable=True)

    def missing(self) -> list[str]:
        """Names of files that are lost or have another size than when the entry was completed."""
        facts = self.facts()
        if facts is None or "files" not in facts:
            return [self._record.name]
        files = facts["files"]
        return [name for name, file in files.items() if _size(self.folder / name) != file["bytes"]]

    def touch(self) -> None:
        """Record a use of the entry, as the modification time of entry.json."""
        with contextlib.suppress(OSError):  # the cache may belong to another user
            os.utime(self._record)

    def last_used(self) -> float:
        """Time of the last use, in seconds since 1970; 0 if there is no record."""
        return blocks.newest([self._record])

    def bytes(self) -> int:
        """Total size of the files."""
        return sum(_size(path) for path in self._files())

    def being_written(self) -> bool:
        """Whether a process may still be completing the entry."""
        age = time.time() - blocks.newest([self.folder, *self._files()])
        return "files" not in (self.facts() or {}) and age < BEING_WRITTEN_SECONDS

    def remove(self) -> None:
        """Delete the entry, its record first: after a kill the rest is not a complete entry."""
        self._record.unlink(missing_ok=True)
        for path in self._files():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another process writes to it again
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
