"""Steps of the workflow that need no running search: data, winners and their evaluation."""

from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import Config, Data, History, Output, TrialFile
from hpconv.errors import UserError


def data(
    config: Config,
    output: Output,
    show: Annotated[
        Path | None,
        typer.Option(
            callback=checks.write_file,
            help="PNG file to write: some images of each class and part.",
        ),
    ] = None,
) -> None:
    """Write a data set and its splits to an HDF5 file."""
    from hpconv import datasets
    from hpconv.config import load
    from hpconv.report import contact_sheet

    settings = load(config)
    datasets.write(settings.data, output)
    if show is not None:
        contact_sheet.write(output, show, settings.report.bands)


def recheck(
    config: Config,
    history: History,
    number: Annotated[int, typer.Option(min=1, help="Place of the trial by validation error.")],
    data: Data,
    output: Output,
) -> None:
    """Measure a good trial on other divisions of the training and validation images."""
    from hpconv.config import load
    from hpconv.evaluation.recheck import write

    settings = load(config)
    write(
        *(history, number, data, output),
        model=settings.model,
        cache=settings.evaluation.cache,
        n_splits=settings.evaluation.recheck.splits,
    )


def rank(
    history: History,
    winners: Annotated[int, typer.Option(min=1, help="Number of winners.")],
    folder: Annotated[
        Path, typer.Option(help="Folder in which each winner gets a folder, named by its rank.")
    ],
    output: Output,
    rechecks: Annotated[
        list[Path] | None, typer.Argument(help="Outputs of 'hpconv recheck'.")
    ] = None,
    max_n_features: Annotated[
        int | None, typer.Option(min=1, help="As 'evaluation.max_n_features'.")
    ] = None,
    flips: Annotated[bool, typer.Option("--flips", help="As 'evaluation.flips'.")] = False,
) -> None:
    """Rank the trials by error; the best ones of different pipelines win."""
    from hpconv.evaluation.records import read_rechecks
    from hpconv.evaluation.select import write

    write(
        *(history, winners, read_rechecks(rechecks or [])),
        table=output,
        folder=folder,
        max_n_features=max_n_features,
        flips=flips,
    )


def features(config: Config, trial: TrialFile, data: Data, output: Output) -> None:
    """Extract a winner's features of all images, or find them in the cache.

    A failure is written into the output, and the exit status is 0.
    """
    from hpconv import trials
    from hpconv.config import load, with_model_of
    from hpconv.evaluation import retrain

    settings = load(config)
    model = with_model_of(trials.read_one(trial), settings.model)
    retrain.extract_features(trial, data, model, output=output, cache=settings.evaluation.cache)


def baseline(data: Data, output: Output) -> None:
    """Evaluate a linear classifier on raw pixels."""
    from hpconv.evaluation import retrain

    retrain.baseline(data, output)


def retrain(
    config: Config,
    trial: TrialFile,
    data: Data,
    features: Annotated[
        Path, typer.Option(callback=checks.read_hdf5, help="The winner's features.")
    ],
    output: Output,
    scores: Annotated[
        Path,
        typer.Option(
            callback=checks.write_file, help="File to write decision scores of test examples to."
        ),
    ],
    classifier: Annotated[
        Path,
        typer.Option(callback=checks.write_file, help="File to write the fitted classifier to."),
    ],
) -> None:
    """Retrain a winner's classifier on all training images and test it once.

    A failure is written into the output, and the exit status is 0.
    """
    from hpconv import trials
    from hpconv.config import load, with_model_of
    from hpconv.evaluation import retrain

    settings = load(config)
    retrain.retrain(
        *(trial, data, features),
        with_model_of(trials.read_one(trial), settings.model),
        output=output,
        scores=scores,
        fitted=classifier,
        seeds=settings.evaluation.seeds,
        cache=settings.evaluation.cache,
        memory_mb=settings.search.trial_memory_mb,
    )


def ensemble(
    config: Config,
    history: History,
    data: Data,
    folder: Annotated[Path, typer.Option(help="Folder for the feature files of the members.")],
    output: Output,
) -> None:
    """Retrain the best ensemble of a search, member by member, and test it once."""
    from hpconv import trials
    from hpconv.config import load, with_model_of
    from hpconv.evaluation import retrain

    settings = load(config)
    first = trials.read_first(history)
    if first is None:
        raise UserError(f"--history is '{history}', which has no trials: run the search first")
    retrain.ensemble(
        *(history, data, with_model_of(first, settings.model)),
        folder=folder,
        output=output,
        cache=settings.evaluation.cache,
        memory_mb=settings.search.trial_memory_mb,
    )


def evaluate(
    data: Data,
    baseline: Annotated[
        Path, typer.Option(callback=checks.read_json, help="Evaluation of the baseline.")
    ],
    winners: Annotated[list[Path], typer.Argument(help="Evaluations of the winners, by rank.")],
    output: Output,
    ensemble: Annotated[
        Path | None, typer.Option(callback=checks.read_json, help="Evaluation of the ensemble.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="A variant of each winner, a folder beside it.")
    ] = None,
) -> None:
    """Gather the evaluations of winners, their variants, ensemble and baseline."""
    from hpconv.evaluation import summary

    summary.write_summary(
        *(data, baseline, winners), output=output, ensemble=ensemble, variants=variant or []
    )
