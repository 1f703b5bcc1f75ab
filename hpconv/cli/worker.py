"""``hpconv worker``: evaluates trials of a search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import Experiment
from hpconv.errors import UserError

if TYPE_CHECKING:  # it imports pymongo, which takes long
    from hpconv.mongodb.uri import Address


def worker(
    exp_key: Experiment,
    connection: Annotated[Path | None, typer.Option(help="Connection file of the server.")] = None,
    mongo: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT/DB",
            help="Address of the server; the password is read from the environment.",
        ),
    ] = None,
    poll_interval: Annotated[
        float,
        typer.Option(min=0.01, callback=checks.finite, help="Maximum polling interval in seconds."),
    ] = 0.15,
    reserve_timeout: Annotated[
        float | None,
        typer.Option(
            min=0, callback=checks.finite, help="Exit after this many seconds without a trial."
        ),
    ] = None,
    last_job_timeout: Annotated[
        float | None,
        typer.Option(min=0, callback=checks.finite, help="Start no trial after this many seconds."),
    ] = None,
    max_jobs: Annotated[
        int | None, typer.Option(min=1, help="Exit after this many trials.")
    ] = None,
    max_consecutive_failures: Annotated[
        int, typer.Option(min=1, help="Exit after this many consecutive programming errors.")
    ] = 4,
    workdir: Annotated[
        Path | None,
        typer.Option(
            help="Working folder of evaluations; it keeps results while the server is unreachable."
        ),
    ] = None,
    walltime: Annotated[
        str | None,
        typer.Option(metavar="HH:MM:SS", help="Walltime of this job, if PBS does not provide it."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            callback=checks.write_file, help="File to write the number of finished trials to."
        ),
    ] = None,
) -> None:
    """Evaluate trials from the queue until the driver closes the search.

    The password for --mongo is read from HPCONV_MONGODB_PASSWORD.
    """
    from pymongo.errors import ConnectionFailure

    from hpconv.files import write_json
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.storage.store import Store
    from hpconv.worker.walltime import WalltimeUsed, parse_duration, submit_again
    from hpconv.worker.worker import Worker, WorkerSettings

    exit_on_signals(*STOP_SIGNALS)
    settings = WorkerSettings(
        poll_interval=poll_interval,
        reserve_timeout=reserve_timeout,
        last_job_timeout=last_job_timeout,
        max_jobs=max_jobs,
        max_consecutive_failures=max_consecutive_failures,
        workdir=workdir,
        walltime=None if walltime is None else parse_duration(walltime, "--walltime"),
    )
    address, database = _address(connection, mongo)
    running = Worker(Store(address, exp_key, database), settings)
    try:
        running.run()
    except WalltimeUsed as reason:
        submit_again(reason)
    except ConnectionFailure:
        if connection is None or connection.exists():
            raise  # a server that shuts down cleanly deletes the file
    if output is not None:
        write_json(output, {"finished": running.finished})


def _address(connection: Path | None, mongo: str | None) -> tuple["Address", str]:
    from hpconv.mongodb.connection_file import await_server
    from hpconv.mongodb.uri import DATABASE, from_file, from_option

    if (connection is None) == (mongo is None):
        raise UserError(
            "no single server is given: write either --connection FILE or --mongo HOST:PORT/DB"
        )
    if mongo is not None:
        return from_option(mongo)
    assert connection is not None
    await_server(connection)
    return from_file(connection), DATABASE
