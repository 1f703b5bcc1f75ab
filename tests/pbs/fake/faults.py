"""Faults that a test switches on and off while things run."""

import json
import time
from pathlib import Path
from typing import Any

TRIES = 200


class Faults:
    """``faults.json`` in the folder of a scheduler; read anew each time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "faults.json"

    def read(self) -> dict[str, Any]:
        """The faults that are on."""
        for _ in range(TRIES):
            try:
                faults: dict[str, Any] = json.loads(self._path.read_text())
                return faults
            except FileNotFoundError:
                return {}
            except json.JSONDecodeError:  # a test is just writing it
                time.sleep(0.005)
        raise ValueError(f"{self._path} is no JSON object")

    def count_down(self, name: str) -> bool:
        """Use up one of the times that a fault is to happen."""
        faults = self.read()
        if not faults.get(name):
            return False
        scratch = self._path.with_suffix(".new")
        scratch.write_text(json.dumps(faults | {name: faults[name] - 1}))
        scratch.replace(self._path)
        return True
