"""Images, winners and the report: what needs no search to run."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli.options import Data, History, Model, Output, Section, TrialFile


def data(settings: Section, output: Output) -> None:
    """Write a data set, with its splits, to HDF5."""
    from hpconv import datasets

    path = settings["path"]
    datasets.write(datasets.DataSettings(**settings | {"path": path and Path(path)}), output)


def features(trial: TrialFile, data: Data, model: Model, output: Output) -> None:
    """Extract a winner's features of every image."""
    from hpconv import features
    from hpconv.candidate import ModelSettings
    from hpconv.files import read_json

    features.extract(read_json(trial), data, ModelSettings(**model), output)


def baseline(data: Data, output: Output) -> None:
    """Evaluate a linear classifier on raw pixels."""
    from hpconv import evaluate

    evaluate.baseline(data, output)


def retrain(
    trial: TrialFile,
    data: Data,
    features: Annotated[Path, typer.Option(help="The winner's features.")],
    model: Model,
    output: Output,
) -> None:
    """Fit a winner's classifier on all it may see; measure it once on the test images."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    evaluate.retrain(trial, data, features, ModelSettings(**model), output)


def ensemble(
    history: History,
    data: Data,
    model: Model,
    folder: Annotated[Path, typer.Option(help="Where the members' features go.")],
    output: Output,
) -> None:
    """Fit the members of a search's best ensemble one after another; measure it once."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    evaluate.ensemble(history, data, ModelSettings(**model), folder, output)


def evaluate(
    data: Data,
    baseline: Annotated[Path, typer.Option(help="Evaluation of the baseline.")],
    winners: Annotated[list[Path], typer.Argument(help="Evaluations, the first rank first.")],
    output: Output,
    ensemble: Annotated[Path | None, typer.Option(help="Evaluation of the ensemble.")] = None,
) -> None:
    """Gather the evaluations of winners, ensemble and baseline."""
    from hpconv import evaluate

    evaluate.summarise(data, baseline, winners, output, ensemble)


def report(
    history: History,
    data: Data,
    evaluation: Annotated[Path, typer.Option(help="The final evaluation.")],
    features: Annotated[Path, typer.Option(help="Features of the first winner.")],
    output: Output,
) -> None:
    """Write the report, one HTML file that needs no other."""
    from hpconv import report

    report.write(history, data, evaluation, features, output)
