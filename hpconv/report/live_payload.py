"""The payload of an experiment that goes on, collected no more often than it has to be."""

import threading
import time
from pathlib import Path
from typing import Any

from hpconv.errors import UserError
from hpconv.experiments import HISTORIES
from hpconv.report import payload
from hpconv.report.importance import importance
from hpconv.status import snapshot

REFRESH_SECONDS, IMPORTANCE_SECONDS = 2.0, 60.0  # at least, between two looks
FILES = (*HISTORIES, "search.json", "baseline.json", "final_evaluation.json", "report.html")


class Source:
    """The payload of an experiment, collected again when its files have changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._collected: dict[str, Any] = {}
        self._files: list[tuple[int, int] | None] = []
        self._after = {"trials": -REFRESH_SECONDS, "importance": -IMPORTANCE_SECONDS}
        self._important: dict[str, Any] | None = None

    def payload(self) -> dict[str, Any]:
        """As of ``report.payload.collect``; ``report`` says whether there is one to look at.

        Raises:
            UserError: when there are no trials to be read.
        """
        with self._lock:
            files = [_stamp(self.folder / name) for name in FILES]
            changed = files != self._files
            if changed and (not self._collected or self._due("trials", REFRESH_SECONDS)):
                self._collect(files)
            if not (self.folder / snapshot.STATUS).exists():
                return self._collected
            return self._collected | {"status": self._status()}

    def _collect(self, files: list[tuple[int, int] | None]) -> None:
        try:
            found = payload.collect(self.folder, self._importance)
        except (OSError, ValueError) as error:  # half a line, on a file system of a cluster
            if not self._collected:
                raise UserError(f"{self.folder} cannot be read: {error}") from None
            return
        there = (self.folder / "report.html").exists()
        self._collected = found | {"status": self._status(), "report": there}
        self._files = files

    def _status(self) -> snapshot.Status | None:
        """Without its age, which would make each look at it another one."""
        found = snapshot.read(self.folder)
        return found and {key: part for key, part in found.items() if key != "age_seconds"}

    def _importance(self, *arguments: Any) -> dict[str, Any] | None:
        if self._due("importance", IMPORTANCE_SECONDS):
            self._important = importance(*arguments)
        return self._important

    def _due(self, what: str, seconds: float) -> bool:
        """Whether so many seconds have passed since this was last so."""
        now = time.monotonic()
        due = now - self._after[what] >= seconds
        if due:
            self._after[what] = now
        return due


def _stamp(path: Path) -> tuple[int, int] | None:
    """What is another when a file has been written again, or goes on."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
