"""Final evaluation of each winner, of the ensemble, and of a baseline on raw pixels."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpconv import features, trials
from hpconv.config import ModelSettings
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Selection
from hpconv.evaluation import failures, records, select
from hpconv.evaluation.refit import RefitResult, refit_and_test
from hpconv.evaluation.select import best_ensemble
from hpconv.evaluation.statistics import format_error, summarise
from hpconv.files import replacing, write_json
from hpconv.learners import Classifier, classifier, linear_scores
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import PairChoice, Trial

L2_REGS = (1e-4, 1e-3, 1e-2, 1e-1)  # candidates on raw pixels

log = logging.getLogger(__name__)


def baseline(data: Path, output: Path) -> None:
    """Evaluate the winners' classifier on raw pixels; l2_reg has the lowest validation error."""
    selection = Selection(data)
    with DataFile(data) as file:
        images = file.images

        def pixels(l2_reg: float, chosen: PairChoice | None = None) -> Classifier:
            settings = ClassifierSettings(l2_reg, varthresh=0.0, remove_std0=True, divrowl2=True)
            rows = np.arange(len(images))
            return classifier(images, rows, settings, pairs=selection.pairs, chosen=chosen)

        losses, chosen = {}, {}
        for l2_reg in L2_REGS:
            candidate = pixels(l2_reg)
            losses[l2_reg], chosen[l2_reg] = selection.loss(candidate), candidate.chosen
        best = min(losses, key=losses.__getitem__)
        outcomes = [
            fold.fit_and_test(pixels(best, chosen[best])) for fold in Evaluation(data).folds
        ]
    record: records.Baseline = {
        "method": f"the same classifier on pixels, l2_reg={best:g}",
        "validation_error": losses[best],
        **summarise([outcomes]),
    }
    write_json(output, record)
    log.info("raw pixels: test error %s", format_error(record))


def extract_features(
    trial_path: Path, data: Path, model: ModelSettings, *, output: Path, cache: Path
) -> None:
    """Write a winner's features, or the failure to extract them.

    Args:
        output: feature file to write.
        cache: folder of the feature cache.
    """
    trial = trials.read_one(trial_path)
    step = partial(features.extract, trial, data, model, output, cache=cache)
    if failure := failures.run_step(trial_path, step):
        features.write_failure(output, failure)
        failures.mark_for_retry(trial_path, failure)


def retrain(
    trial_path: Path,
    data: Path,
    extracted: Path,
    model: ModelSettings,
    *,
    output: Path,
    scores: Path,
    fitted: Path,
    seeds: int,
    cache: Path,
    memory_mb: int,
) -> None:
    """Fit a winner's classifier to each fold and test it on the fold's test examples.

    A failure, also that to extract its features, is written instead of the evaluation.

    Args:
        extracted: the winner's feature file.
        output: evaluation to write.
        scores: ``.npz`` file for the mean decision scores over seeds: for each fold K,
            ``decision/K`` (n, k) of the test examples and the k class numbers ``classes/K``.
        fitted: ``.npz`` file for the classifier of the first fold; empty for pairs.
        seeds: number of retrainings; all but the first use new random filters.
        cache: folder of the feature cache.
        memory_mb: memory limit in MiB.
    """
    trial = trials.read_one(trial_path)

    def step() -> None:
        retrain_variant = partial(
            _retrain_variant,
            trial,
            data,
            model,
            folder=output.parent,
            cache=cache,
            memory_mb=memory_mb,
        )
        first = refit_and_test([trial], data, [extracted], model, memory_mb=memory_mb)
        results = [first, *map(retrain_variant, range(1, seeds))]
        _write_scores(scores, results)
        linear_scores.write(fitted, next(iter(first.fitted[0].linear()), None))
        write_json(output, _evaluation(trial, trials.validation_error(trial), results))

    extraction_failure = features.read_failure(extracted)
    if failure := extraction_failure or failures.run_step(trial_path, step):
        record: records.FailedEvaluation = {
            "tid": trial["tid"],
            "hyperparameters": trials.hyperparameters(trial),
            "failure": failure,
        }
        _write_scores(scores, [])
        linear_scores.write(fitted, None)
        write_json(output, record)
        failures.mark_for_retry(trial_path, failure)


def _retrain_variant(
    trial: Trial,
    data: Path,
    model: ModelSettings,
    seed: int,
    *,
    folder: Path,
    cache: Path,
    memory_mb: int,
) -> RefitResult:
    """Retrain a trial with new random filters; its feature file in folder is deleted."""
    variant = select.with_new_random_filters(trial, seed)
    with features.extracted(variant, data, model, cache=cache, folder=folder) as extracted:
        return refit_and_test([variant], data, [extracted], model, memory_mb=memory_mb)


def ensemble(
    history: Path,
    data: Path,
    model: ModelSettings,
    *,
    folder: Path,
    output: Path,
    cache: Path,
    memory_mb: int,
) -> None:
    """Fit the best ensemble of a search member by member and test it on each fold.

    Args:
        history: ``trials.jsonl``.
        folder: for the members' feature files, and for each member's share of the classifier of
            the first fold, ``classifier-TID.npz``; pairs have none.
        output: evaluation to write.
        cache: folder of the feature cache.
        memory_mb: memory limit in MiB.
    """
    tids = best_ensemble(trials.read_summaries(history))
    members = trials.read(history, tids)
    extracted = [folder / f"features-{member['tid']}.h5" for member in members]
    for member, target in zip(members, extracted, strict=True):
        features.extract(member, data, model, target, cache=cache)
    result = refit_and_test(members, data, extracted, model, memory_mb=memory_mb)
    for member, share in zip(members, result.fitted[0].linear(), strict=False):
        linear_scores.write(folder / f"classifier-{member['tid']}.npz", share)
    record: records.EnsembleEvaluation = {
        **_evaluation(members[-1], trials.ensemble_error(members[-1]), [result]),
        "members": tids,
    }
    write_json(output, record)


def _evaluation(
    trial: Trial, validation_error: float, results: list[RefitResult]
) -> records.Evaluation:
    """The record of a trial or of the ensemble that ends with it, by results of each seed."""
    statistics = summarise([result.outcomes for result in results])
    log.info("trial %d: test error %s", trial["tid"], format_error(statistics))
    return {
        "validation_error": validation_error,
        "tid": trial["tid"],
        **statistics,
        "hyperparameters": trials.hyperparameters(trial),
        "feature_shape": list(results[0].feature_shape),
        "seconds": {
            step: sum(result.seconds[step] for result in results) for step in results[0].seconds
        },
    }


def _write_scores(path: Path, results: list[RefitResult]) -> None:
    """Write the mean decision scores; an empty file without results."""
    arrays: dict[str, Any] = {}
    for fold, algorithms in enumerate(zip(*(result.fitted for result in results), strict=True)):
        decisions = [algorithm.decision for algorithm in algorithms]
        arrays[f"decision/{fold}"] = np.mean(decisions, axis=0, dtype="float32")
        arrays[f"classes/{fold}"] = algorithms[0].classes
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)
