"""A batch scheduler for tests, with the manners of OpenPBS, Torque or Slurm's Torque wrappers.

It runs in the foreground until SIGTERM. qsub, qstat and qdel beside it find it by FAKE_PBS=FOLDER;
FOLDER/faults.json (see cluster.py, commands.py and command.py) makes it misbehave.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
from math import inf
from pathlib import Path

import dialects
from cluster import Cluster
from commands import Commands

TICK = 0.02
PATIENCE = 5.0


def main() -> None:
    """Serve until a signal."""
    arguments = _arguments()
    folder, dialect = arguments.folder.absolute(), dialects.dialect(arguments.dialect)
    dialect.history = not arguments.no_history
    cluster = Cluster(folder, dialect, arguments.nodes, arguments.cpus, _keep(arguments))
    (folder / "dialect").write_text(arguments.dialect)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        serve(folder, Commands(folder, dialect, cluster), cluster)
    finally:
        cluster.stop()


def serve(folder: Path, commands: Commands, cluster: Cluster) -> None:
    """Answer commands, and look after the jobs in between."""
    os.chdir(folder)  # the folder's path may be too long for a socket's name
    Path("socket").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        listener.listen(100)
        listener.settimeout(TICK)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    _answer(listener.accept()[0], commands)
                cluster.tick()
        finally:
            Path("socket").unlink()


def _answer(connection: socket.socket, commands: Commands) -> None:
    connection.settimeout(PATIENCE)
    with connection, contextlib.suppress(OSError, json.JSONDecodeError):  # a killed command
        request = json.load(connection.makefile())
        connection.sendall(json.dumps(commands.answer(request)).encode())


def _keep(arguments: argparse.Namespace) -> float:
    """Seconds that finished jobs are known."""
    if arguments.dialect == "openpbs":
        return 0.0 if arguments.no_history else inf
    return float(arguments.keep_completed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dialect", choices=dialects.CLASSES, required=True)
    parser.add_argument("--cpus", type=int, default=8, help="of each node")
    parser.add_argument("--nodes", type=int, default=1, help="they are called n1, n2, ...")
    parser.add_argument("--no-history", action="store_true", help="OpenPBS forgets finished jobs")
    parser.add_argument(
        "--keep-completed", type=float, default=300.0, help="Torque, Slurm: seconds"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
