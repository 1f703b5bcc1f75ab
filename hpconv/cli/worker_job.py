"""``hpconv wait`` and ``hpconv worker-job``: jobs of the workflow that need a search's server."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli.options import Config, Connection, Output

if TYPE_CHECKING:
    from hpconv.config import Config as Settings
    from hpconv.worker.search_files import SearchFiles

Summary = Annotated[Path, typer.Option(help="File that the driver writes when the search ends.")]
Stopped = Annotated[
    Path, typer.Option(help="File that the driver writes when the search stops before its end.")
]
Failure = Annotated[Path, typer.Option(help="File that exists if the server's job has failed.")]

log = logging.getLogger(__name__)


def wait(
    config: Config, connection: Connection, summary: Summary, stopped: Stopped, failure: Failure
) -> None:
    """Wait until the server has written its connection file, or the search has ended or stopped."""
    from hpconv.config import load
    from hpconv.worker.search_files import SearchOver, SearchStopped

    files = _search_files(load(config), connection, summary, stopped=stopped, failure=failure)
    try:
        files.wait()
    except (SearchOver, SearchStopped) as reason:
        log.info("no server is needed: %s", reason)


def worker_job(
    config: Config,
    connection: Connection,
    summary: Summary,
    stopped: Stopped,
    failure: Failure,
    workdir: Annotated[
        Path,
        typer.Option(
            help="Working folder of evaluations; it keeps results while the server is unreachable."
        ),
    ],
    output: Output,
    restarts_left: Annotated[
        int, typer.Option(help="How often a killed worker is started; 0: only write the record.")
    ] = 1,
) -> None:
    """Evaluate trials until the search is over, and write a record.

    A worker that cannot evaluate trials writes the reason into its record,
    and the exit status is 0: the search goes on without it.
    """
    from math import inf

    from hpconv import trials
    from hpconv.config import load
    from hpconv.errors import UserError
    from hpconv.files import write_json
    from hpconv.mongodb import connection_file
    from hpconv.processes import STOP_SIGNALS, exit_on_signals
    from hpconv.storage.store import Store
    from hpconv.worker.evaluator import EvaluationError
    from hpconv.worker.search_files import SearchOver, SearchStopped
    from hpconv.worker.walltime import WalltimeUsed, submit_again
    from hpconv.worker.worker import Worker, WorkerSettings

    exit_on_signals(*STOP_SIGNALS)
    settings = load(config)
    files = _search_files(settings, connection, summary, stopped=stopped, failure=failure)
    record: trials.WorkerRecord = {"failure": None}
    try:
        if not restarts_left:
            raise UserError("a worker was killed each time it was started")
        files.wait()
        connection_file.check_visible(connection_file.published(connection), connection)
        store = Store(files.address, settings.experiment, patience=inf)
        files.await_driver(store.search.is_over)
        Worker(store, WorkerSettings(workdir=workdir)).run()
    except (SearchOver, SearchStopped) as reason:
        log.info("exiting: %s", reason)
    except WalltimeUsed as reason:
        submit_again(reason)
    except (UserError, EvaluationError) as error:
        record["failure"] = trials.error_line(str(error))
        log.error("%s", error)
    write_json(output, record)


def _search_files(
    settings: "Settings", connection: Path, summary: Path, *, stopped: Path, failure: Path
) -> "SearchFiles":
    from hpconv import trials
    from hpconv.config import search_record
    from hpconv.worker.search_files import SearchFiles
    from hpconv.worker.walltime import Walltime

    is_over = partial(trials.search_has_ended, summary, search_record(settings))
    is_over()  # a damaged summary ends this job, unlike what only this worker cannot do
    return SearchFiles(
        connection,
        is_over,
        stopped=stopped,
        failure=failure,
        walltime=Walltime(None),
    )
