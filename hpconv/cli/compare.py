"""``hpconv compare``: experiments side by side."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpconv.cli import complete
from hpconv.cli.options import AsJson
from hpconv.errors import UserError

if TYPE_CHECKING:
    from hpconv.report.comparison import Comparison, Error

Row = tuple[str, list[str]]  # name, and a text for each experiment


def compare(
    experiment: Annotated[
        list[Path],
        typer.Argument(
            autocompletion=complete.experiments,
            help="Folders of two or more experiments, or their names in results/.",
        ),
    ],
    json_: AsJson = False,
) -> None:
    """Compare experiments: errors with their intervals, cost, settings that differ.

    Validation errors are also compared after the number of trials, and of
    processor hours, that all have. Searches may still run.
    """
    from hpconv import experiments
    from hpconv.report import comparison

    if len(experiment) < 2:
        raise UserError(f"only '{experiment[0]}' is given: write two or more experiments")
    found = comparison.compare(
        [experiments.find_experiment(each, experiments.HISTORIES) for each in experiment]
    )
    if json_:
        print(json.dumps(found, indent=2))
    else:
        _show(found)


def _show(found: "Comparison") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # no line of a file is folded
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    table.add_column("")
    for each in found["experiments"]:
        table.add_column(each["experiment"], justify="right")
    for name, texts in (*_results(found), *_settings(found)):
        table.add_row(name, *texts)
    console.print(table)
    print("In parentheses: 95 % confidence intervals.")
    if not found["same_images"]:
        print("The experiments have different images or parts: their errors cannot be compared.")


def _results(found: "Comparison") -> Iterator[Row]:
    each = found["experiments"]
    yield "data", [one["data"] for one in each]
    yield "validation error of the best trial", [_error(one["validation"]) for one in each]
    after = f"after {found['after_trials']} trials"
    yield f"  {after}", [_percent(error) for error in found["validation_after_trials"]]
    after = f"after {found['after_hours']:.3g} processor hours"
    yield f"  {after}", [_percent(error) for error in found["validation_after_hours"]]
    yield "test error of winner 1", [_error(one["test"]) for one in each]
    yield "test error of the winners together", [_error(one["together"]) for one in each]
    yield "test error of raw pixels", [_error(one["raw_pixels"]) for one in each]
    yield "trials (succeeded)", [f"{one['trials']} ({one['succeeded']})" for one in each]
    yield "processor hours", [f"{one['processor_hours']:.3g}" for one in each]
    yield "hyperparameters", [_text(one["hyperparameters"]) for one in each]


def _settings(found: "Comparison") -> Iterator[Row]:
    for key, values in found["settings"].items():
        yield key, [_text(value) for value in values]


def _error(found: "Error | None") -> str:
    if found is None:
        return "-"
    low, high = found["interval"]
    return f"{_percent(found['error'])} ({100 * low:.2f} to {100 * high:.2f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _text(value: Any) -> str:
    from hpconv.errors import visible

    return "-" if value is None else visible(str(value))
