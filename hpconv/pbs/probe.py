"""``python -m hpconv.pbs.probe CONNECTION``: facts about a compute node, as JSON."""

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from hpconv import kernels
from hpconv.errors import UserError
from hpconv.mongodb import connection_file
from hpconv.mongodb.binary import find_mongod
from hpconv.mongodb.client import ping

SECONDS = 10.0


def look(connection: Path) -> dict[str, Any]:
    """Collect the facts."""
    return {
        "host": socket.gethostname(),
        "refused": _refused(connection),
        "mongod": _mongod(),
        "kernels": kernels.backend(),
        "free_gb": shutil.disk_usage(connection.parent).free / 2**30,
    }


def _refused(connection: Path) -> str | None:
    """Why the server of a connection file cannot be reached; None if it answers."""
    record = connection_file.read(connection)
    try:
        connection_file.check_visible(record, connection)
        ping(record.uri or "", SECONDS)
    except (UserError, PyMongoError) as error:
        return str(error).partition(" (configured timeouts")[0]
    return None


def _mongod() -> str:
    try:
        return find_mongod().path
    except UserError as error:
        return str(error)


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]))))
