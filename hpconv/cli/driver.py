"""Steps of the workflow that belong to a running search: driver and gather."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import Config, Connection, Data, History, Output

log = logging.getLogger(__name__)


def driver(
    config: Config,
    connection: Connection,
    data: Data,
    summary: Annotated[Path, typer.Option(help="File to write when the search ends.")],
    output: Output,
    live: Annotated[
        Path | None, typer.Option(help="Folder for the status and the trials of a running search.")
    ] = None,
    stopped: Annotated[
        Path | None, typer.Option(help="File to write when the search stops before its end.")
    ] = None,
    workers: Annotated[
        Path | None, typer.Option(help="File that exists when all workers have ended.")
    ] = None,
) -> None:
    """Suggest trials until a stopping rule applies, then export all trials.

    In a job whose walltime is nearly used, the driver shuts the server down and
    ends with status 75: the next driver continues the search.
    """
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.search.interruptions import Interruptions

    exit_on_signals(*STOP_SIGNALS)
    with Interruptions(connection, stopped, workers) as interruptions:
        _search(config, connection, data, summary, output, live=live, check=interruptions.check)


def _search(
    config: Path,
    connection: Path,
    data: Path,
    summary: Path,
    output: Path,
    *,
    live: Path | None,
    check: Callable[[], None],
) -> None:
    from hyperopt.base import Domain

    from hpconv import datasets
    from hpconv.config import load, search_record, to_json
    from hpconv.files import write_json
    from hpconv.model import start_from
    from hpconv.model.space import search_space
    from hpconv.mongodb import connection_file
    from hpconv.mongodb.uri import from_file
    from hpconv.objective import rungs
    from hpconv.objective.objective import Objective, feasibility
    from hpconv.search import driver, rounds
    from hpconv.status import display
    from hpconv.status.files import StatusFiles
    from hpconv.storage.store import Store

    settings = load(config)
    model, grown = settings.model, settings.ensemble
    checksum = datasets.verify(data)
    earlier = start_from.read(path) if (path := settings.search.start_from) else []
    if grown.grow:
        rounds.check_room(data)
    space = search_space(model.output_sizes, model.max_layer_sizes)
    shares = settings.search.rungs or ()
    rungs.check(shares, data)
    domain = Domain(Objective(data, model, settings.search, shares), space)
    connection_file.await_server(connection)
    store = Store(from_file(connection), settings.experiment)
    store.remove_silent_workers()
    is_feasible = feasibility(data, model, settings.search)
    first, left_out = start_from.first_candidates(
        earlier, settings.search.start_from_best, model=model, is_feasible=is_feasible
    )
    if earlier:
        reasons = ", ".join(f"{count}: {reason}" for reason, count in left_out.items())
        log.info(
            "search.start_from: %d trials taken, %d left out%s",
            *(len(first), left_out.total(), f" ({reasons})" if reasons else ""),
        )
    with display.shown() as show:
        reason = driver.Driver(
            *(store, domain, settings.search, driver.fingerprint(checksum, model, grown)),
            # with its hyperparameters, all to rebuild a pipeline
            notes={"model": to_json(model), "data": checksum},
            ensemble=grown,
            first=first,
            is_feasible=is_feasible if settings.search.redraw else None,
            live=StatusFiles(live) if live else None,
            show=show,
            check=check,
        ).run()
    driver.export(store, output)
    lost = [f"worker {name} was killed, or is out of reach" for name in store.worker_names()]
    write_json(summary, {"search": search_record(settings), "stopped": reason, "lost": lost})


def gather(
    history: History,
    summary: Annotated[
        Path, typer.Option(callback=checks.read_json, help="File that the driver has written.")
    ],
    workers: Annotated[Path, typer.Option(help="Records of the workers, one a line.")],
    run: Annotated[str, typer.Option(help="The run of the workflow in which the search ended.")],
    csv: Annotated[
        Path, typer.Option(callback=checks.write_file, help="Table of all trials to write (CSV).")
    ],
    output: Output,
    ended: Annotated[
        Path,
        typer.Option(
            callback=checks.write_file,
            help="Record of the search to write: settings, reason to stop, workers.",
        ),
    ],
) -> None:
    """Write the trials of a finished search as JSON Lines and as a table."""
    from hpconv import trials
    from hpconv.files import parse_json, write_atomically, write_json

    record = trials.read_summary(summary)
    trials.write_csv(trials.read_summaries(history), csv)
    write_atomically(output, history.read_bytes())
    lines = workers.read_text().splitlines()
    records = [parse_json(line or "{}", trials.WorkerRecord, str(workers)) for line in lines]
    failures = [worker["failure"] for worker in records if worker.get("failure")]
    lost = record.get("lost", []) + failures
    write_json(ended, {**record, "workers": len(records), "run": run, "lost": lost})
