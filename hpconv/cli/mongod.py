"""``hpconv mongod``: runs and maintains the MongoDB server of a search."""

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli.examples import epilog
from hpconv.cli.options import AsJson, Connection

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

if TYPE_CHECKING:  # it imports pymongo
    from hpconv.mongodb.admin import ServerStatus

app = typer.Typer(help="Run and maintain the MongoDB server of a search.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Folder of the database.")]


@app.command(epilog=epilog("mongod start"))
def start(
    dbpath: Folder,
    connection: Connection,
    log: Annotated[Path, typer.Option(help="Log file of mongod.")],
    binary: Annotated[
        str | None, typer.Option(help="Path of the mongod to run; by default it is searched.")
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME_OR_ADDRESS",
            help="Network interface to listen on, in addition to loopback.",
        ),
    ] = None,
) -> None:
    """Run a MongoDB server until it gets a signal or its parent process ends."""
    from hpconv.mongodb import supervisor
    from hpconv.mongodb.process import ServerSettings

    supervisor.serve(ServerSettings(dbpath, log, binary, bind), connection)


@app.command(epilog=epilog("mongod stop"))
def stop(connection: Connection) -> None:
    """Shut the server down cleanly and wait until it has ended."""
    from hpconv.mongodb import admin

    admin.stop(connection)


@app.command(epilog=epilog("mongod status"))
def status(
    connection: Connection,
    json_: AsJson = False,
) -> None:
    """Show the state of the server and its trials; exit status 1 if it does not answer."""
    from hpconv.mongodb import admin

    found = admin.status(connection)
    print(json.dumps(found, indent=2) if json_ else _as_text(found))


def _as_text(found: "ServerStatus") -> str:
    lines = [
        f"{'server':13}{found['address']}, MongoDB {found['version']}",
        f"{'uptime':13}{timedelta(seconds=found['uptime_seconds'])}",
        f"{'connections':13}{found['connections']}",
        f"{'database':13}{found['database_bytes'] / 1e6:.1f} MB",
    ]
    for experiment, states in found["trials"].items():
        trials = ", ".join(f"{count} {state}" for state, count in states.items())
        lines.append(f"{'trials':13}{experiment}: {trials}")
    return "\n".join(lines)


@app.command(epilog=epilog("mongod backup"))
def backup(
    connection: Connection,
    output: Annotated[Path, typer.Option(help="Folder to write; it must be missing or empty.")],
) -> None:
    """Copy the database of a running server, on its host; trials wait meanwhile."""
    from hpconv.mongodb import backup
    from hpconv.processes import exit_on_signals

    exit_on_signals(*STOP_SIGNALS)  # the default action would leave the server locked
    backup.backup(connection, output)


@app.command(epilog=epilog("mongod restore"))
def restore(
    backup: Annotated[Path, typer.Option(help="Folder that 'hpconv mongod backup' wrote.")],
    dbpath: Folder,
) -> None:
    """Copy a backup into a missing or empty folder, for a new server."""
    from hpconv.mongodb.backup import restore
    from hpconv.processes import exit_on_signals

    exit_on_signals(*STOP_SIGNALS)
    restore(backup, dbpath)
