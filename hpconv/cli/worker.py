"""A worker of a search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import Experiment
from hpconv.errors import UserError

if TYPE_CHECKING:  # for one, it imports pymongo
    from hpconv.mongodb.uri import Address


def worker(
    exp_key: Experiment,
    connection: Annotated[
        Path | None, typer.Option(help="File in which the server says where it is.")
    ] = None,
    mongo: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT/DB", help="The server; a password is in the environment."),
    ] = None,
    poll_interval: Annotated[
        float, typer.Option(min=0.01, help="Longest pause (s) between looks into the queue.")
    ] = 0.15,
    reserve_timeout: Annotated[
        float | None, typer.Option(help="Leave after so many seconds without a trial.")
    ] = None,
    last_job_timeout: Annotated[
        float | None, typer.Option(help="Take no trial when so many seconds have passed.")
    ] = None,
    max_jobs: Annotated[int | None, typer.Option(help="Leave after so many trials.")] = None,
    max_consecutive_failures: Annotated[
        int, typer.Option(help="Leave after so many programming errors in a row.")
    ] = 4,
    workdir: Annotated[
        Path | None, typer.Option(help="Where evaluations run, and results wait for a server.")
    ] = None,
    walltime: Annotated[
        str | None,
        typer.Option(metavar="HH:MM:SS", help="Of this job, where PBS does not tell it."),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="With --config: file that the driver writes when the search ends."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            callback=checks.read_json,
            help="With --summary: exit at once if this search has ended.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(callback=checks.write_file, help="Record to write.")
    ] = None,
) -> None:
    """Evaluate trials of a queue until its driver has closed the search.

    The password for --mongo comes from the environment (HPCONV_MONGODB_PASSWORD).
    """
    from pymongo.errors import ConnectionFailure

    from hpconv import trials
    from hpconv.config import load, search_record
    from hpconv.files import write_json
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.storage.store import Store
    from hpconv.worker.worker import Worker, WorkerSettings

    exit_on_signals(*STOP_SIGNALS)
    settings = WorkerSettings(
        poll_interval,
        reserve_timeout,
        last_job_timeout,
        max_jobs,
        max_consecutive_failures,
        workdir,
        walltime,
    )
    finished = 0
    if not (summary and config and trials.search_has_ended(summary, search_record(load(config)))):
        address, database = _address(connection, mongo)
        store = Store(address, exp_key, database)
        at_work = Worker(store, settings)
        try:
            at_work.run()
        except ConnectionFailure:
            if connection is None or connection.exists():
                raise  # a server that stops in order takes the file along
        finished = at_work.finished
    if output is not None:
        write_json(output, {"finished": finished})


def _address(connection: Path | None, mongo: str | None) -> tuple["Address", str]:
    from hpconv.mongodb.connection_file import await_server
    from hpconv.mongodb.uri import DATABASE, from_file, from_option

    if (connection is None) == (mongo is None):
        raise UserError(
            "say where the server is: write either --connection FILE or --mongo HOST:PORT/DB"
        )
    if mongo is not None:
        return from_option(mongo)
    assert connection is not None
    await_server(connection)
    return from_file(connection), DATABASE
