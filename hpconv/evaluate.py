"""The winners' final evaluation: fitted on all but the test images, measured once on those."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpconv import features, trials
from hpconv.candidate import ModelSettings, describe
from hpconv.files import read_json, write_json
from hpconv.learners import FeatureClassifier
from hpconv.objective import Stopwatch
from hpconv.protocols import Evaluation, Outcome, Selection, Task

INVERSE_REGULARISATION = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)

log = logging.getLogger(__name__)


class RawPixels:
    """Logistic regression on standardised pixels: what a search has to beat."""

    def __init__(self, data: Path, c: float) -> None:
        with h5py.File(data) as file:
            self._pixels = file["images"][()].reshape(len(file["images"]), -1) / 255
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000))

    def fit(self, task: Task) -> None:
        """Fit to a task's rows."""
        self._model.fit(self._pixels[task.rows], task.labels)

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's rows."""
        return self._model.predict(self._pixels[task.rows])


def baseline(data: Path, path: Path) -> None:
    """Evaluate a linear classifier on raw pixels, its regularisation chosen on validation."""
    selection = Selection(data)
    losses = {c: selection.loss(RawPixels(data, c)) for c in INVERSE_REGULARISATION}
    best = min(losses, key=losses.__getitem__)
    outcome = Evaluation(data).outcome(RawPixels(data, best))
    record = {
        "method": f"logistic regression on standardised pixels, C={best:g}",
        "validation_error": losses[best],
        "test_error": outcome.error,
    }
    write_json(path, record)
    log.info("raw pixels: test error %.2f %%", 100 * outcome.error)


def retrain(
    trial_path: Path, data: Path, extracted: Path, model: ModelSettings, path: Path
) -> None:
    """Fit a winner's classifier on train and validation images, and measure it on the test's."""
    trial, watch = read_json(trial_path), Stopwatch()
    with watch("load"):
        rows = features.read(extracted)
    with h5py.File(data) as file:
        image_shape = file["images"].shape[1:]
    assignment = trials.hyperparameters(trial)
    settings = describe(assignment, image_shape, model).classifier
    with watch("retrain"):
        algorithm = FeatureClassifier(rows, np.arange(len(rows)), settings)
        outcome = Evaluation(data).outcome(algorithm)
    with h5py.File(extracted) as file:
        watch.seconds["extract"] = round(float(file.attrs["seconds"]), 4)
    record = {
        "tid": trial["tid"],
        "validation_error": trial["result"]["loss"],
        "test_error": outcome.error,
        "hyperparameters": assignment,
        "classifier": asdict(settings),
        "feature_shape": list(rows.shape[1:]),
        "seconds": watch.seconds,
        "confusion": _confusion(outcome),
    }
    write_json(path, record)
    log.info("trial %d: test error %.2f %%", trial["tid"], 100 * outcome.error)


def _confusion(outcome: Outcome) -> list[list[int]]:
    """Counts by true class (row) and predicted class (column)."""
    n_classes = int(max(outcome.labels.max(), outcome.predictions.max())) + 1
    counts = np.zeros((n_classes, n_classes), int)
    np.add.at(counts, (outcome.labels, outcome.predictions), 1)
    return counts.tolist()


def summarise(data: Path, baseline_path: Path, evaluations: list[Path], path: Path) -> None:
    """Gather the winners' evaluations and the baseline into one file."""
    with h5py.File(data) as file:
        source = {key: file.attrs[key] for key in ("name", "checksum")}
    winners: list[dict[str, Any]] = []
    for rank, evaluation in enumerate(evaluations, start=1):
        winners.append({"rank": rank, **read_json(evaluation)})
    write_json(path, {"data": source, "raw_pixels": read_json(baseline_path), "winners": winners})
