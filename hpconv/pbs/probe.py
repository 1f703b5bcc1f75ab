"""``python -m hpconv.pbs.probe HOST:PORT FILE``: facts about a compute node, as JSON."""

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from hpconv import kernels
from hpconv.errors import UserError
from hpconv.mongodb.binary import find_mongod

SECONDS = 10


def look(address: str, file: Path) -> dict[str, Any]:
    """Collect the facts."""
    return {
        "host": socket.gethostname(),
        "reached": _reached(address),
        "file": file.read_text() if file.exists() else None,
        "mongod": _mongod(),
        "kernels": kernels.backend(),
        "free_gb": shutil.disk_usage(file.parent).free / 2**30,
    }


def _reached(address: str) -> str | None:
    """The error of a connection attempt; None if it succeeds."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS).close()
    except OSError as error:
        return str(error)
    return None


def _mongod() -> str:
    try:
        return find_mongod().path
    except UserError as error:
        return str(error)


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1], Path(sys.argv[2]))))
