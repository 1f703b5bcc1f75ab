"""A search: the driver, the workers, and what they leave behind."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks, sections
from hpconv.cli.options import Connection, Data, Experiment, History, Model, Output, Section

Search = Annotated[
    dict,
    typer.Option(
        parser=sections.json_object,
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
    from hpconv import trials
    from hpconv.mongodb import connection_file

    if not trials.search_has_ended(summary, search):
        connection_file.await_address(connection, search["patience_minutes"], failure)


def driver(
    connection: Connection,
    exp_key: Experiment,
    data: Data,
    model: Model,
    budget: Section,
    search: Search,
    summary: Summary,
    output: Output,
    live: Annotated[
        Path | None, typer.Option(help="Folder for status and trials of the search as it runs.")
    ] = None,
) -> None:
    """Suggest trials until there is a reason to stop, then export them all."""
    from hyperopt.base import Domain

    from hpconv import datasets
    from hpconv.config import to_json
    from hpconv.files import write_json
    from hpconv.model.space import search_space
    from hpconv.mongodb import connection_file
    from hpconv.mongodb.uri import from_file
    from hpconv.objective.objective import Objective
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.search import driver, rounds
    from hpconv.status import display
    from hpconv.status.files import StatusFiles
    from hpconv.storage.store import Store

    exit_on_signals(*STOP_SIGNALS)
    bounds, grown = (
        sections.settings("model", model),
        sections.settings("ensemble", search["ensemble"]),
    )
    settings = sections.settings(
        "search", {key: search[key] for key in search if key != "ensemble"}
    )
    about = driver.fingerprint(datasets.verify(data), bounds, grown)
    if grown.grow:
        rounds.check_room(data)
    space = search_space(bounds.output_sizes, bounds.max_layer_sizes)
    domain = Domain(Objective(data, bounds, sections.settings("search", budget)), space)
    connection_file.await_server(connection)
    store = Store(from_file(connection), exp_key)
    notes = {"model": to_json(bounds)}  # a trial says all that rebuilds its pipeline
    with display.shown() as show:
        files = StatusFiles(live) if live else None
        leader = driver.Driver(store, domain, settings, about, notes, grown, files, show)
        reason = leader.run()
    driver.export(store.finished(), output)
    write_json(summary, {"search": search, "stopped": reason})


def gather(
    history: History,
    summary: Annotated[
        Path, typer.Option(callback=checks.read_json, help="What the driver said of the search.")
    ],
    workers: Annotated[int, typer.Option(help="How many workers the search had.")],
    csv: Annotated[
        Path, typer.Option(callback=checks.write_file, help="Table of all trials to write.")
    ],
    output: Output,
    ended: Annotated[
        Path, typer.Option(callback=checks.write_file, help="What to know of the search, to write.")
    ],
) -> None:
    """Export all trials of a finished search, also as a table."""
    from hpconv import trials
    from hpconv.files import read_json, write_atomically, write_json

    trials.write_csv(trials.read(history), csv)
    write_atomically(output, history.read_bytes())
    write_json(ended, read_json(summary) | {"workers": workers})
