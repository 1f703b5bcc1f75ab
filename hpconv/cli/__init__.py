"""The command line: ``hpconv VERB``; the workflow's rules call nothing else.

Each verb imports what it needs when it runs: ``hpconv --help`` answers at once.
"""

import logging
import sys

import typer
from pymongo.errors import ConnectionFailure

from hpconv.cli import cache, export, look, search, server, winners
from hpconv.errors import EXIT_CANDIDATE_REFUSED, EXIT_USER_ERROR, CandidateError, UserError

app = typer.Typer(
    help="Search convolutional feature extractors on a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (
    *(winners.data, search.wait, search.driver, search.worker, search.gather, search.best),
    *(winners.features, winners.baseline, winners.retrain, winners.ensemble),
    *(winners.evaluate, winners.report),
    *(look.space, look.extract, look.doctor),
    export.export,
):
    app.command()(verb)
app.add_typer(server.app, name="mongod")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Run a verb; what a person can mend becomes one line and a non-zero exit status."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("hpconv").setLevel(logging.INFO)
    try:
        app()
    except UserError as error:
        _stop(str(error), EXIT_USER_ERROR)
    except ConnectionFailure as error:
        reason = str(error).partition(" (configured timeouts")[0]
        _stop(f"the MongoDB server is out of reach: {reason}", EXIT_USER_ERROR)
    except CandidateError as refusal:
        _stop(str(refusal), EXIT_CANDIDATE_REFUSED)


def _stop(message: str, status: int) -> None:
    print(f"hpconv: {message}", file=sys.stderr)
    sys.exit(status)
