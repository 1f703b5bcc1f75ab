"""Images, winners and the report: what needs no search to run."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli.options import (
    CACHE,
    MEMORY_GB,
    Cache,
    Data,
    History,
    Memory,
    Model,
    Output,
    Section,
    TrialFile,
)


def data(settings: Section, output: Output) -> None:
    """Write a data set, with its splits, to HDF5."""
    from hpconv import datasets

    path = settings["path"]
    datasets.write(datasets.DataSettings(**settings | {"path": path and Path(path)}), output)


def features(
    trial: TrialFile,
    data: Data,
    model: Model,
    output: Output,
    cache: Cache = CACHE,
) -> None:
    """Extract a winner's features of every image, or find them in the cache."""
    from hpconv import features
    from hpconv.candidate import ModelSettings
    from hpconv.files import read_json

    features.extract(read_json(trial), data, ModelSettings(**model), output, cache)


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
    scores: Annotated[Path, typer.Option(help="File to write decisions on test examples to.")],
    seeds: Annotated[int, typer.Option(min=1, help="How often, with other random filters.")] = 1,
    cache: Cache = CACHE,
    memory_gb: Memory = MEMORY_GB,
) -> None:
    """Fit a winner's classifier on all it may see; measure it once on the test images."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    settings = ModelSettings(**model)
    evaluate.retrain(trial, data, features, settings, output, scores, seeds, cache, memory_gb)


def ensemble(
    history: History,
    data: Data,
    model: Model,
    folder: Annotated[Path, typer.Option(help="Where files that show their features go.")],
    output: Output,
    cache: Cache = CACHE,
    memory_gb: Memory = MEMORY_GB,
) -> None:
    """Fit the members of a search's best ensemble one after another; measure it once."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    settings = ModelSettings(**model)
    evaluate.ensemble(history, data, settings, folder, output, cache, memory_gb)


def evaluate(
    data: Data,
    baseline: Annotated[Path, typer.Option(help="Evaluation of the baseline.")],
    winners: Annotated[
        list[Path], typer.Argument(help="Evaluations, the first rank first; some may be missing.")
    ],
    logs: Annotated[Path, typer.Option(help="Folder of logs, to tell why some are missing.")],
    output: Output,
    ensemble: Annotated[Path | None, typer.Option(help="Evaluation of the ensemble.")] = None,
) -> None:
    """Gather the evaluations of winners, ensemble and baseline."""
    from hpconv import final

    final.summarise(data, baseline, winners, logs, output, ensemble)


def report(
    history: History,
    data: Data,
    evaluation: Annotated[Path, typer.Option(help="The final evaluation.")],
    winners: Annotated[Path, typer.Option(help="Folder of the winners, by rank.")],
    output: Output,
) -> None:
    """Write the report, one HTML file that needs no other."""
    from hpconv import report

    report.write(history, data, evaluation, winners, output)
