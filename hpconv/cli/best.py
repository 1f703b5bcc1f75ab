"""``hpconv best``: lists the best trials of a search, also while it runs."""

import json
import re
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from hpconv.cli.options import AsJson, ExperimentFolder
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.trials import Assignment, Trial

STAGE = re.compile(
    r"stage \d+ of \d+ \((?!filters of )(.*)\)"
)  # of a trace (hpconv.features.signature)
COLUMNS = ("trial", "validation error", "test error", "features", "seconds", "pipeline")


def best(
    experiment: ExperimentFolder = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Number of trials.")] = 10,
    json_: AsJson = False,
) -> None:
    """List the best trials by validation error, also while the search runs.

    Winners have a test error after the final evaluation.
    """
    from hpconv import experiments, trials
    from hpconv.evaluation.records import winner_test_errors

    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    ranked = trials.read_best(experiments.history(folder), number)
    if not ranked:
        raise UserError(
            f"no trial of {folder} has succeeded yet: 'hpconv status' lists the failures"
        )
    tested = winner_test_errors(folder)
    rows = [_row(trial, tested.get(trial["tid"])) for trial in ranked]
    if json_:
        print(json.dumps(rows, indent=2))
    else:
        _show(rows)


class BestTrial(TypedDict):
    """A trial as ``hpconv best --json`` prints it."""

    tid: int
    validation_error: float
    test_error: float | None  # of a winner
    features: list[int] | None  # shape
    seconds: float  # of evaluation
    pipeline: str
    hyperparameters: "Assignment"


def _row(trial: "Trial", test_error: float | None) -> BestTrial:
    from hpconv import trials

    parts = trial["result"].get("trace", {}).get("parts", [])
    stages = [found[1] for part in parts if (found := STAGE.fullmatch(part["what"]))]
    return {
        "tid": trial["tid"],
        "validation_error": trials.validation_error(trial),
        "test_error": test_error,
        "features": trial["result"].get("feature_shape"),
        "seconds": trials.table_row(trial)["seconds"],
        "pipeline": ", ".join(stages),
        "hyperparameters": trials.hyperparameters(trial),
    }


def _show(rows: list[BestTrial]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from hpconv.errors import visible

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a file or a pipe has one line for each trial
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "pipeline" else "right")
    for row in rows:
        test = "" if row["test_error"] is None else f"{row['test_error']:.4f}"
        size = "x".join(map(str, row["features"] or []))
        error, seconds = f"{row['validation_error']:.4f}", f"{row['seconds']:.1f}"
        table.add_row(str(row["tid"]), error, test, size, seconds, visible(row["pipeline"]))
    console.print(table)
