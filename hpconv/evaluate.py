"""The winners' final evaluation: fitted again on all they may see, measured once on the rest."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpconv import ensembles, features, trials
from hpconv.candidate import ClassifierSettings, ModelSettings, describe
from hpconv.files import read_json, write_json
from hpconv.learners import Classifier, classifier
from hpconv.objective import Stopwatch
from hpconv.protocols import Evaluation, Outcome, Selection, Task
from hpconv.trials import Trial

L2_REGS = (1e-4, 1e-3, 1e-2, 1e-1)  # for raw pixels

log = logging.getLogger(__name__)


def baseline(data: Path, path: Path) -> None:
    """Evaluate the winners' classifier on raw pixels, its l2_reg chosen on validation."""
    selection = Selection(data)
    with h5py.File(data) as file:
        images = file["images"]

        def pixels(l2_reg: float, chosen: dict[str, Any] | None = None) -> Classifier:
            settings = ClassifierSettings(l2_reg, varthresh=0.0, remove_std0=True, divrowl2=True)
            rows = np.arange(len(images))
            return classifier(images, rows, settings, selection.pairs, chosen=chosen)

        losses, chosen = {}, {}
        for l2_reg in L2_REGS:
            tried = pixels(l2_reg)
            losses[l2_reg], chosen[l2_reg] = selection.loss(tried), tried.chosen
        best = min(losses, key=losses.__getitem__)
        outcomes = Evaluation(data).outcomes(partial(pixels, best, chosen[best]))
    record = {"method": f"the same classifier on pixels, l2_reg={best:g}"}
    write_json(path, record | {"validation_error": losses[best]} | _judged(outcomes))
    log.info("raw pixels: test error %s", _percent(outcomes))


def retrain(
    trial_path: Path, data: Path, extracted: Path, model: ModelSettings, path: Path
) -> None:
    """Fit a winner's classifier anew for each fold, and measure it on the fold's test examples."""
    trial = read_json(trial_path)
    record = {"validation_error": trials.validation_error(trial)}
    write_json(path, record | _evaluate([trial], data, [extracted], model))


def ensemble(history: Path, data: Path, model: ModelSettings, folder: Path, path: Path) -> None:
    """Fit the members of the best ensemble of a search one after another, and measure it.

    Args:
        folder: for the members' features; what is there already is used.
    """
    members = ensembles.best(trials.read(history))
    extracted = [folder / f"features-{member['tid']}.h5" for member in members]
    for member, target in zip(members, extracted, strict=True):
        if not target.exists():
            features.extract(member, data, model, target)
    record = {"validation_error": trials.ensemble_error(members[-1])}
    tids = [member["tid"] for member in members]
    write_json(path, record | _evaluate(members, data, extracted, model) | {"members": tids})


class Continued:
    """Classifiers that are fitted one after another, each on what those before it say."""

    def __init__(self, new: Sequence[Callable[..., Classifier]]) -> None:
        """Take a function for each member, that makes it go on from a history."""
        self._new = new
        self.members: tuple[Classifier, ...] = ()

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit all members to a task's examples."""
        self.members = ()
        for new in self._new:
            member = new(history=self.members)
            member.fit(task, validation)
            self.members += (member,)

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's examples: the last member has the last word."""
        return self.members[-1].predict(task)


def _evaluate(
    members: list[Trial], data: Path, extracted: list[Path], model: ModelSettings
) -> dict[str, Any]:
    """What is to be told of an ensemble of trials, or of a single one."""
    watch, evaluation = Stopwatch(), Evaluation(data)
    with ExitStack() as open_files:
        files = [open_files.enter_context(h5py.File(path)) for path in extracted]
        new = [
            partial(
                classifier,
                file["features"],
                file["rows"][()],
                describe(trials.hyperparameters(member), evaluation.image_shape, model).classifier,
                evaluation.pairs,
                chosen=member["result"].get("chosen"),
            )
            for file, member in zip(files, members, strict=True)
        ]
        with watch("retrain"):
            outcomes = evaluation.outcomes(lambda: Continued(new))
        watch.seconds["extract"] = round(sum(float(file.attrs["seconds"]) for file in files), 4)
        feature_shape = files[-1]["features"].shape[1:]
    last = members[-1]
    log.info("trial %d: test error %s", last["tid"], _percent(outcomes))
    return {
        "tid": last["tid"],
        **_judged(outcomes),
        "hyperparameters": trials.hyperparameters(last),
        "feature_shape": list(feature_shape),
        "seconds": watch.seconds,
    }


def _judged(outcomes: list[Outcome]) -> dict[str, Any]:
    """Test errors by fold, their mean and, of several folds, its standard error."""
    errors = np.array([outcome.error for outcome in outcomes])
    several = len(errors) > 1
    return {
        "test_error": float(errors.mean()),
        "standard_error": float(errors.std(ddof=1) / np.sqrt(len(errors))) if several else None,
        "test_errors": errors.tolist(),
        "confusion": np.sum([_confusion(each) for each in outcomes], axis=0).tolist(),
    }


def _percent(outcomes: list[Outcome]) -> str:
    judged = _judged(outcomes)
    spread = f" ± {judged['standard_error']:.2%}" if judged["standard_error"] is not None else ""
    return f"{judged['test_error']:.2%}{spread}"


def _confusion(outcome: Outcome) -> np.ndarray:
    """Counts by true class (row) and predicted class (column)."""
    counts = np.zeros((outcome.n_classes, outcome.n_classes), int)
    np.add.at(counts, (outcome.labels, outcome.predictions), 1)
    return counts


def summarise(
    data: Path, baseline_path: Path, evaluations: list[Path], path: Path, grown: Path | None = None
) -> None:
    """Gather the winners' evaluations, an ensemble's and the baseline's into one file."""
    with h5py.File(data) as file:
        source = {key: file.attrs[key] for key in ("name", "checksum")}
    winners: list[dict[str, Any]] = []
    for rank, evaluation in enumerate(evaluations, start=1):
        winners.append({"rank": rank, **read_json(evaluation)})
    if grown is not None:
        winners.append({"rank": "ensemble", **read_json(grown)})
    write_json(path, {"data": source, "raw_pixels": read_json(baseline_path), "winners": winners})
