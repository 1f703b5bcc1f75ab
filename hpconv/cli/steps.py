"""Images, winners and their evaluation: what needs no search to run."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks, sections
from hpconv.cli.options import (
    CACHE,
    MEMORY_MB,
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

    datasets.write(sections.settings("data", settings), output)


def rank(
    history: History,
    winners: Annotated[int, typer.Option(min=1, help="How many trials win.")],
    folder: Annotated[Path, typer.Option(help="Where each winner gets a folder, by rank.")],
    output: Output,
) -> None:
    """Rank the trials by validation error; the best of different pipelines win."""
    from hpconv import trials
    from hpconv.evaluation.select import write

    write(trials.read(history), winners, output, folder)


def features(
    trial: TrialFile,
    data: Data,
    model: Model,
    output: Output,
    cache: Cache = CACHE,
) -> None:
    """Extract a winner's features of every image, or find them in the cache."""
    from hpconv import features

    features.extract(
        sections.read_json(trial),
        data,
        sections.settings("model", model),
        output,
        cache,
    )


def baseline(data: Data, output: Output) -> None:
    """Evaluate a linear classifier on raw pixels."""
    from hpconv.evaluation import retrain

    retrain.baseline(data, output)


def retrain(
    trial: TrialFile,
    data: Data,
    features: Annotated[
        Path, typer.Option(callback=checks.read_hdf5, help="The winner's features.")
    ],
    model: Model,
    output: Output,
    scores: Annotated[
        Path,
        typer.Option(callback=checks.write_file, help="File for decisions on test examples."),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="How often, with other random filters.")] = 1,
    cache: Cache = CACHE,
    memory_mb: Memory = MEMORY_MB,
) -> None:
    """Fit a winner's classifier on all it may see; measure it once on the test images."""
    from hpconv.evaluation import retrain

    settings = sections.settings("model", model)
    retrain.retrain(
        trial,
        data,
        features,
        settings,
        output=output,
        scores=scores,
        seeds=seeds,
        cache=cache,
        memory_mb=memory_mb,
    )


def ensemble(
    history: History,
    data: Data,
    model: Model,
    folder: Annotated[Path, typer.Option(help="Where files that show their features go.")],
    output: Output,
    cache: Cache = CACHE,
    memory_mb: Memory = MEMORY_MB,
) -> None:
    """Fit the members of a search's best ensemble one after another; measure it once."""
    from hpconv.evaluation import retrain

    settings = sections.settings("model", model)
    retrain.ensemble(
        history, data, settings, folder=folder, output=output, cache=cache, memory_mb=memory_mb
    )


def evaluate(
    data: Data,
    baseline: Annotated[
        Path, typer.Option(callback=checks.read_json, help="Evaluation of the baseline.")
    ],
    winners: Annotated[
        list[Path], typer.Argument(help="Evaluations, the first rank first; some may be missing.")
    ],
    logs: Annotated[Path, typer.Option(help="Folder of logs, to tell why some are missing.")],
    output: Output,
    ensemble: Annotated[
        Path | None, typer.Option(callback=checks.read_json, help="Evaluation of the ensemble.")
    ] = None,
) -> None:
    """Gather the evaluations of winners, ensemble and baseline."""
    from hpconv.evaluation import summary

    summary.write_summary(data, baseline, winners, logs=logs, output=output, ensemble=ensemble)
