"""The command line: ``hpconv VERB``; the workflow's rules call nothing else.

Each verb imports what it needs when it runs: ``hpconv --help`` and Tab answer at once.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from hpconv import __version__
from hpconv.cli import (
    best,
    cache,
    dashboard,
    demo,
    doctor,
    driver,
    export,
    extract,
    mongod,
    report,
    space,
    status,
    steps,
    worker,
)
from hpconv.cli.examples import epilog
from hpconv.errors import EXIT_CANDIDATE_REFUSED, EXIT_USER_ERROR, CandidateError, UserError

STATUSES = """\
Exit status:
  0      it is done
  1      something that a person can mend; the message says how
  2      wrong usage: no such verb or option, or a value that cannot be read
  3      the candidate pipeline is refused; the message says why
  128+N  ended by signal N, such as 130 after Ctrl-C
"""

app = typer.Typer(
    help="Search convolutional feature extractors for your images, on your cluster.",
    epilog=STATUSES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hpconv {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which it is.")
    ] = False,
) -> None:
    pass


FOR_PEOPLE: tuple[Callable[..., None], ...] = (
    *(space.space, demo.demo, status.status, best.best, extract.extract, export.export),
    *(worker.worker, driver.driver, doctor.doctor, report.report, dashboard.dashboard),
)
STEPS: tuple[Callable[..., None], ...] = (
    *(steps.data, driver.wait, driver.gather, steps.rank, steps.features),
    *(steps.baseline, steps.retrain, steps.ensemble, steps.evaluate),
)
for verb in FOR_PEOPLE:
    passed_on = {"ignore_unknown_options": True} if verb is demo.demo else {}
    app.command(epilog=epilog(verb.__name__), context_settings=passed_on)(verb)
app.add_typer(cache.app, name="cache")
app.add_typer(mongod.app, name="mongod")
for verb in STEPS:
    panel = "Steps of the workflow, which its rules call"
    app.command(epilog=epilog(verb.__name__), rich_help_panel=panel)(verb)


def main() -> None:
    """Run a verb; what a person can mend becomes one line and a non-zero exit status."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("hpconv").setLevel(logging.INFO)
    try:
        app()
    except CandidateError as refusal:
        _stop(str(refusal), EXIT_CANDIDATE_REFUSED)
    except Exception as error:
        message = _mendable(error)
        if message is None:
            raise
        _stop(message, EXIT_USER_ERROR)


def _mendable(error: Exception) -> str | None:
    """What to tell of an error that a person can mend."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"this is no JSON ({error}): {error.doc[:60]!r}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    pymongo = sys.modules.get("pymongo.errors")  # where it is not, it has raised nothing
    if pymongo is not None and isinstance(error, pymongo.ConnectionFailure):
        reason = str(error).partition(" (configured timeouts")[0]
        return f"the MongoDB server is out of reach: {reason}"
    return None


def _stop(message: str, status: int) -> None:
    print(f"hpconv: {message}", file=sys.stderr)
    sys.exit(status)
