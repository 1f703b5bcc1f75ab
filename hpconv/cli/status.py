"""``hpconv status``: the progress of a search."""

import json
from typing import Annotated

import typer

from hpconv.cli.options import AsJson, ExperimentFolder
from hpconv.errors import UserError


def status(
    experiment: ExperimentFolder = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Update every second until the search ends.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Show the progress of a search: trials, best error, workers, speed and times.

    After that it says whether more trials are worth their cost.
    It reads files of the experiment and needs neither the server nor its
    password. Ctrl-C ends --watch, not the search. A search whose driver has
    written no status for 30 s is 'silent'.
    """
    from contextlib import suppress
    from dataclasses import asdict

    from hpconv import experiments
    from hpconv.status import display, outlook
    from hpconv.status import snapshot as statuses

    if watch and json_:
        raise UserError("--watch and --json exclude each other: write only one of them")
    folder = experiments.find_experiment(experiment, statuses.SHOWS)
    if watch:
        with suppress(KeyboardInterrupt):
            display.watch(folder)
        return
    found = statuses.read(folder)
    if found is None:
        raise UserError(statuses.not_begun(folder))
    prospects = outlook.read(folder)
    if json_:
        known = {"outlook": asdict(prospects)} if prospects else {}
        print(json.dumps(found.to_json() | known, indent=2))
        return
    display.show(found)
    if prospects:
        print(prospects.sentence)
