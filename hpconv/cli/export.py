"""``hpconv export``: a winner or all trials in formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks, complete
from hpconv.cli.options import ExperimentFolder
from hpconv.errors import UserError


def export(
    winner: Annotated[
        int | None, typer.Option(help="Rank of the winner.", autocompletion=complete.ranks)
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the winner: npz, onnx or pytorch.",
            autocompletion=complete.formats,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(callback=checks.write_file, help="File to write the winner to."),
    ] = None,
    trials: Annotated[
        Path | None,
        typer.Option(
            callback=checks.write_file,
            help="File to write all trials to: an Optuna study (.db) or a table (.csv, .parquet).",
        ),
    ] = None,
    experiment: ExperimentFolder = None,
) -> None:
    """Write a winner (from images to labels) or all trials for use without hpconv.

    Give either --winner, --format and --output, or --trials; the latter also works while the search
    runs.
    """
    of_winner = (winner, format_, output)
    if trials is not None and of_winner == (None, None, None):
        _export_trials(trials, experiment)
    elif trials is None and winner is not None and format_ is not None and output is not None:
        _export_winner(winner, format_, output, experiment)
    else:
        raise UserError("write either --winner, --format and --output, or --trials alone")


def _export_trials(path: Path, experiment: Path | None) -> None:
    from hpconv import experiments
    from hpconv.export import trials as tables

    tables.require(path)
    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    print(f"{path}: {tables.write(folder, path)} trials of {folder}")


def _export_winner(winner: int, format_: str, output: Path, experiment: Path | None) -> None:
    from hpconv import experiments, export
    from hpconv.export import winner as winners

    export.require(format_)
    found = winners.read(winner, experiments.find_experiment(experiment, ["winners"]))
    differences = export.export(found, format_, output)
    print(f"{output}: {differences}")
    if found.linear is None:
        print("the examples are pairs of images: the file has the feature extractor only")
