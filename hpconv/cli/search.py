"""A search: the driver, the workers, and what they leave behind."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import ConnectionFailure

from hpconv.addresses import Address
from hpconv.cli.options import Connection, Data, Experiment, History, Model, Output, Section
from hpconv.errors import UserError

Search = Annotated[
    dict,
    typer.Option(
        parser=json.loads,
        metavar="JSON",
        help="Section 'search' of a configuration, with 'ensemble'.",
    ),
]
Summary = Annotated[Path, typer.Option(help="What the driver says of the search when it ends.")]


def wait(
    connection: Connection,
    summary: Summary,
    search: Search,
    failure: Annotated[Path, typer.Option(help="File that tells that there will be no server.")],
) -> None:
    """Return when the server says where it is, or when the search needs none any more."""
    from hpconv import database, trials

    if not trials.complete(summary, search):
        database.await_address(connection, search["patience_minutes"], failure)


def driver(
    connection: Connection,
    exp_key: Experiment,
    data: Data,
    model: Model,
    budget: Section,
    search: Search,
    summary: Summary,
    output: Output,
) -> None:
    """Suggest trials until there is a reason to stop, then export them all."""
    from hyperopt.base import Domain

    from hpconv import database, datasets, driver, ensembles
    from hpconv.addresses import from_file
    from hpconv.budget import Budget
    from hpconv.candidate import ModelSettings
    from hpconv.files import write_json
    from hpconv.objective import Objective
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.progress import SearchSettings
    from hpconv.space import search_space
    from hpconv.store import Store

    exit_on_signals(*STOP_SIGNALS)
    bounds, grown = ModelSettings(**model), ensembles.EnsembleSettings(**search["ensemble"])
    settings = SearchSettings(**{key: search[key] for key in search if key != "ensemble"})
    about = driver.fingerprint(datasets.verify(data), bounds, grown)
    if grown.grow:
        ensembles.check_room(data)
    space = search_space(bounds.output_sizes, bounds.max_layer_sizes)
    domain = Domain(Objective(data, bounds, Budget(**budget)), space)
    database.await_server(connection)
    store = Store(from_file(connection), exp_key)
    notes = {"model": vars(bounds)}  # a trial says all that rebuilds its pipeline
    reason = driver.Driver(store, domain, settings, about, notes, grown).run()
    driver.export(store.finished(), output)
    write_json(summary, {"search": search, "stopped": reason})


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
        Path | None, typer.Option(help="With --search: a search that has ended needs no worker.")
    ] = None,
    search: Annotated[
        dict | None, typer.Option(parser=json.loads, metavar="JSON", help="See --summary.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Record to write.")] = None,
) -> None:
    """Evaluate trials of a queue until its driver has closed the search.

    The password for --mongo comes from the environment (HPCONV_MONGODB_PASSWORD).
    """
    from hpconv import trials
    from hpconv.files import write_json
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.store import Store
    from hpconv.worker import Worker, WorkerSettings

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
    if summary is None or search is None or not trials.complete(summary, search):
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


def _address(connection: Path | None, mongo: str | None) -> tuple[Address, str]:
    from hpconv.addresses import DATABASE, from_file, from_option
    from hpconv.database import await_server

    if (connection is None) == (mongo is None):
        raise UserError("say where the server is: either --connection FILE or --mongo HOST:PORT/DB")
    if mongo is not None:
        return from_option(mongo)
    assert connection is not None
    await_server(connection)
    return from_file(connection), DATABASE


def gather(
    history: History,
    summary: Summary,
    workers: Annotated[int, typer.Option(help="How many workers the search had.")],
    csv: Annotated[Path, typer.Option(help="Table of all trials to write.")],
    output: Output,
    ended: Annotated[Path, typer.Option(help="What to know of the search, to write.")],
) -> None:
    """Export all trials of a finished search, also as a table."""
    from hpconv import trials
    from hpconv.files import read_json, write_json

    trials.write_csv(trials.read(history), csv)
    output.write_bytes(history.read_bytes())
    write_json(ended, read_json(summary) | {"workers": workers})


def best(
    history: History,
    winners: Annotated[int, typer.Option(min=1, help="How many trials win.")],
    folder: Annotated[Path, typer.Option(help="Where each winner gets a folder, by rank.")],
    output: Output,
) -> None:
    """Rank the trials by validation error; the best of different pipelines win."""
    from hpconv import trials
    from hpconv.winners import write

    write(trials.read(history), winners, output, folder)
