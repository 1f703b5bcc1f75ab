"""Validation errors of a trial on other divisions of its training and validation images.

The lowest of many noisy errors is optimistic. Errors on further divisions of the same images do not
share the noise by which a trial was selected; their mean ranks the best trials again.
"""

import logging
from pathlib import Path

import numpy as np

from hpconv import features, trials
from hpconv.config import ModelSettings, with_model_of
from hpconv.datasets.protocols import Selection
from hpconv.errors import CandidateError
from hpconv.evaluation.records import Recheck
from hpconv.files import write_json
from hpconv.learners import classifier
from hpconv.model.pipeline import describe
from hpconv.trials import Trial

log = logging.getLogger(__name__)


def write(
    history: Path,
    number: int,
    data: Path,
    path: Path,
    *,
    model: ModelSettings,
    cache: Path,
    n_splits: int,
) -> None:
    """Write the recheck of a candidate; null if there is no such candidate or it is refused.

    Args:
        number: place of the candidate by validation error, from 1.
        path: JSON file to write.
        model: gives engine and batch size; the rest is the trial's.
    """
    ranked = trials.best_per_pipeline(trials.read_summaries(history))
    record: Recheck | None = None
    for trial in trials.read(history, [each["tid"] for each in ranked[number - 1 : number]]):
        own = with_model_of(trial, model)
        try:
            with features.extracted(trial, data, own, cache=cache, folder=path.parent) as extracted:
                record = recheck(trial, own, data, extracted, n_splits)
        except CandidateError as refusal:
            log.warning("trial %d cannot win: %s", trial["tid"], refusal)
    write_json(path, record)


def recheck(
    trial: Trial, model: ModelSettings, data: Path, extracted: Path, n_splits: int
) -> Recheck:
    """Fit a trial's classifier on other divisions; no test image is read.

    Args:
        extracted: the trial's features of all images.
        n_splits: number of divisions, at least 2.
    """
    selection = Selection(data)
    assignment = trials.hyperparameters(trial)
    settings = describe(assignment, selection.images.shape[1:], model).classifier
    with features.opened(extracted) as file:
        rows, found = file["rows"][()], file["features"]
        errors = [
            selection.redivided(seed).loss(classifier(found, rows, settings, pairs=selection.pairs))
            for seed in range(1, n_splits + 1)
        ]
    deviation = float(np.std(errors, ddof=1))
    return {
        "tid": trial["tid"],
        "errors": errors,
        "mean": float(np.mean(errors)),
        "deviation": deviation,
    }
