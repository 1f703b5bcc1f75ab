"""Images, winners and the report: what needs no search to run."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli.options import Data, History, Model, Output, Section, TrialFile


def data(settings: Section, output: Output) -> None:
    """Write a data set, with its splits, to HDF5."""
    from hpconv import datasets

    datasets.write(datasets.DataSettings(**settings), output)


def features(trial: TrialFile, data: Data, model: Model, output: Output) -> None:
    """Extract a winner's features of every image."""
    from hpconv import features
    from hpconv.candidate import ModelSettings

    features.extract(trial, data, ModelSettings(**model), output)


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
    """Fit a winner's classifier on train and validation images; measure it once on test."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    evaluate.retrain(trial, data, features, ModelSettings(**model), output)


def evaluate(
    data: Data,
    baseline: Annotated[Path, typer.Option(help="Evaluation of the baseline.")],
    winners: Annotated[list[Path], typer.Argument(help="Evaluations, the first rank first.")],
    output: Output,
) -> None:
    """Gather the evaluations of winners and baseline."""
    from hpconv import evaluate

    evaluate.summarise(data, baseline, winners, output)


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
