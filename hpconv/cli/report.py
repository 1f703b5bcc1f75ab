"""``hpconv report``: the report of an experiment."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import ExperimentFolder


def report(
    experiment: ExperimentFolder = None,
    output: Annotated[
        Path | None,
        typer.Option(
            callback=checks.write_file,
            help="File to write; by default report.html of the experiment.",
        ),
    ] = None,
    importance: Annotated[
        Path | None,
        typer.Option(
            callback=checks.write_file,
            help="CSV file for the importance of the hyperparameters.",
        ),
    ] = None,
) -> None:
    """Write the report, one self-contained HTML file, also while the search runs.

    Winners are included after they have been evaluated.
    """
    from hpconv import experiments, report

    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    path = output or folder / "report.html"
    report.write(folder, path, importance)
    if output is None:
        print(f"hpconv: the report is {path}")
