"""The command line, ``hpconv COMMAND``, which the rules of the workflow call, too.

Commands import the packages that they need when they run, so that ``hpconv --help`` and Tab
completion are fast.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from hpconv import __version__
from hpconv.cli import (
    best,
    cache,
    cite,
    compare,
    dashboard,
    demo,
    doctor,
    driver,
    export,
    extract,
    init,
    mongod,
    plan,
    predict,
    report,
    space,
    status,
    steps,
    worker,
    worker_job,
)
from hpconv.cli.examples import epilog
from hpconv.errors import (
    EXIT_CANDIDATE_REFUSED,
    EXIT_USER_ERROR,
    CandidateError,
    UserError,
    visible,
)

EXIT_STATUSES = """\
Exit status:
  0      success
  1      user error; the message says how to fix it
  2      usage error: unknown command or option, or invalid value
  3      the candidate pipeline is refused; the message gives the reason
  128+N  ended by signal N, such as 130 after Ctrl-C
"""

app = typer.Typer(
    help="Search convolutional feature extractors for your images, on your cluster.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"hpconv {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


USER_COMMANDS: tuple[Callable[..., None], ...] = (
    *(init.init, plan.plan, space.space, demo.demo, status.status, best.best, extract.extract),
    *(predict.predict, export.export),
    *(worker.worker, driver.driver, doctor.doctor, report.report, dashboard.dashboard),
    *(compare.compare, cite.cite),
)
WORKFLOW_STEPS: tuple[Callable[..., None], ...] = (
    *(steps.data, worker_job.wait, worker_job.worker_job, driver.gather, steps.recheck, steps.rank),
    *(steps.features, steps.baseline, steps.retrain, steps.ensemble, steps.evaluate),
)
for command in USER_COMMANDS:
    # hpconv demo passes unknown options to Snakemake
    settings = {"ignore_unknown_options": True} if command is demo.demo else {}
    app.command(epilog=epilog(command.__name__), context_settings=settings)(command)
app.add_typer(cache.app, name="cache")
app.add_typer(mongod.app, name="mongod")
for command in WORKFLOW_STEPS:
    panel = "Steps of the workflow, called by its rules"
    name = command.__name__.replace("_", "-")
    app.command(name, epilog=epilog(name), rich_help_panel=panel)(command)


class _VisibleFormatter(logging.Formatter):
    """Log lines without control characters, whatever a failure text contains."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def main() -> None:
    """Run a command; user errors are printed in one line, with a non-zero exit status."""
    handler = logging.StreamHandler()
    handler.setFormatter(_VisibleFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("hpconv").setLevel(logging.INFO)
    try:
        app()
    except CandidateError as refusal:
        _exit(str(refusal), EXIT_CANDIDATE_REFUSED)
    except Exception as error:
        message = _user_message(error)
        if message is None:
            raise
        _exit(message, EXIT_USER_ERROR)


def _user_message(error: Exception) -> str | None:
    """The message for an error that the user can fix; None for a programming error."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return (
            f"memory has run out ({error or 'no details'}): free some, or request more for this "
            "job, with the same command and '--retries 2' or '--set-resources features:mem_mb=9000'"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, OSError):  # of HDF5, without a number and a file name
        return f"a file cannot be read, it may be damaged: {error}"
    if isinstance(error, ImportError) and (foreign := os.environ.get("PYTHONPATH")):
        first = str(error).strip().splitlines()[0]
        return f"{first}: PYTHONPATH is '{foreign}', its packages hide those of hpconv: unset it"
    pymongo = sys.modules.get("pymongo.errors")  # None: not imported, so it raised nothing
    if pymongo is not None and isinstance(error, pymongo.ConnectionFailure):
        reason = str(error).partition(" (configured timeouts")[0]
        return f"cannot reach the MongoDB server: {reason}"
    return None


def _exit(message: str, status: int) -> None:
    print(f"hpconv: {visible(message)}", file=sys.stderr)
    sys.exit(status)
