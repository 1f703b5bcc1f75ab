"""The evaluations that follow a search: of raw pixels, of each winner, of an ensemble."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hpconv import features, trials
from hpconv.config import ModelSettings
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Selection
from hpconv.evaluation import select
from hpconv.evaluation.refit import RefitResult, refit_and_test
from hpconv.evaluation.select import best_ensemble
from hpconv.evaluation.statistics import format_error, summarise
from hpconv.files import read_json, replacing, write_json
from hpconv.learners import Classifier, classifier
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import PairChoice, Trial

L2_REGS = (1e-4, 1e-3, 1e-2, 1e-1)  # for raw pixels

log = logging.getLogger(__name__)


def baseline(data: Path, path: Path) -> None:
    """Evaluate the winners' classifier on raw pixels, its l2_reg chosen on validation."""
    selection = Selection(data)
    with DataFile(data) as file:
        images = file.images

        def pixels(l2_reg: float, chosen: PairChoice | None = None) -> Classifier:
            settings = ClassifierSettings(l2_reg, varthresh=0.0, remove_std0=True, divrowl2=True)
            rows = np.arange(len(images))
            return classifier(images, rows, settings, pairs=selection.pairs, chosen=chosen)

        losses, chosen = {}, {}
        for l2_reg in L2_REGS:
            tried = pixels(l2_reg)
            losses[l2_reg], chosen[l2_reg] = selection.loss(tried), tried.chosen
        best = min(losses, key=losses.__getitem__)
        outcomes = [
            fold.fit_and_test(pixels(best, chosen[best])) for fold in Evaluation(data).folds
        ]
    record = {"method": f"the same classifier on pixels, l2_reg={best:g}"}
    told = summarise([outcomes])
    write_json(path, record | {"validation_error": losses[best]} | told)
    log.info("raw pixels: test error %s", format_error(told))


def retrain(
    trial_path: Path,
    data: Path,
    extracted: Path,
    model: ModelSettings,
    path: Path,
    scores: Path,
    seeds: int,
    cache: Path,
    memory_mb: int,
) -> None:
    """Fit a winner's classifier anew for each fold, and measure it on the fold's test examples.

    Args:
        extracted: its features.
        scores: for its decisions on the test examples, a mean over seeds: of each fold K,
            ``decision/K`` (n, k) and the k labels ``classes/K``.
        seeds: the first keeps its own filters; for each of the others, random filters are drawn
            anew.
        cache: of features.
        memory_mb: MiB that this may take.
    """
    trial = read_json(trial_path)
    measured = [refit_and_test([trial], data, [extracted], model, memory_mb)]
    for seed in range(1, seeds):
        variant = select.with_new_random_filters(trial, seed)
        with _features_of(variant, data, model, path.parent, cache) as others:
            measured.append(refit_and_test([variant], data, [others], model, memory_mb))
    _write_scores(scores, measured)
    record = {"validation_error": trials.validation_error(trial)}
    write_json(path, record | _told([trial], measured))


def ensemble(
    history: Path,
    data: Path,
    model: ModelSettings,
    folder: Path,
    path: Path,
    cache: Path,
    memory_mb: int,
) -> None:
    """Fit the members of the best ensemble of a search one after another, and measure it.

    Args:
        folder: for files that show the members' features.
        memory_mb: MiB that this may take.
    """
    members = best_ensemble(trials.read(history))
    extracted = [folder / f"features-{member['tid']}.h5" for member in members]
    for member, target in zip(members, extracted, strict=True):
        features.extract(member, data, model, target, cache)
    record = {"validation_error": trials.ensemble_error(members[-1])}
    tids = [member["tid"] for member in members]
    measured = [refit_and_test(members, data, extracted, model, memory_mb)]
    write_json(path, record | _told(members, measured) | {"members": tids})


def _told(members: list[Trial], measured: list[RefitResult]) -> dict[str, Any]:
    """What is to be told of a trial, or of an ensemble, that was measured with some seeds."""
    last, told = members[-1], summarise([each.outcomes for each in measured])
    log.info("trial %d: test error %s", last["tid"], format_error(told))
    steps = measured[0].seconds
    return {
        "tid": last["tid"],
        **told,
        "hyperparameters": trials.hyperparameters(last),
        "feature_shape": list(measured[0].feature_shape),
        "seconds": {step: sum(each.seconds[step] for each in measured) for step in steps},
    }


@contextmanager
def _features_of(
    trial: Trial, data: Path, model: ModelSettings, folder: Path, cache: Path
) -> Iterator[Path]:
    """A file that shows a trial's features in the cache, and is gone afterwards."""
    with TemporaryDirectory(dir=folder, prefix=".features-") as temporary:
        path = Path(temporary, "features.h5")
        features.extract(trial, data, model, path, cache)
        yield path


def _write_scores(path: Path, measured: list[RefitResult]) -> None:
    arrays: dict[str, Any] = {}
    for fold, algorithms in enumerate(zip(*(each.fitted for each in measured), strict=True)):
        decisions = [algorithm.decision for algorithm in algorithms]
        arrays[f"decision/{fold}"] = np.mean(decisions, axis=0, dtype="float32")
        arrays[f"classes/{fold}"] = algorithms[0].classes
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)
