"""The log of one mongod: signs of a full disk, and the error that ended it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded")
TAIL_BYTES = 2**20  # mongod ends its log with long backtraces


class ServerLog:
    """What a mongod that starts now appends to a log file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size if path.exists() else 0

    def disk_full_message(self) -> str | None:
        """The message of a full disk, if there is one."""
        tail = self._tail()
        return next((message for message in DISK_FULL_MESSAGES if message in tail), None)

    def last_error(self) -> str | None:
        """The last error with a cause, if there is one."""
        found = None
        for record in self._errors():
            cause = record["attr"]["error"]
            text = cause.get("errmsg", cause) if isinstance(cause, dict) else cause
            found = f"{record['msg']}: {text}"
        return found

    def _errors(self) -> Iterator[dict[str, Any]]:
        for line in self._tail().splitlines():
            with contextlib.suppress(ValueError):  # the first line may be cut
                record = json.loads(line)
                if record["s"] in ("E", "F") and "error" in record.get("attr", {}):
                    yield record

    def _tail(self) -> str:
        if not self._path.exists():
            return ""
        with self._path.open("rb") as file:
            file.seek(max(self._start, file.seek(0, 2) - TAIL_BYTES))
            return file.read().decode(errors="replace")
