"""One trial: from hyperparameters to a validation error, or to the reason why there is none."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from hyperopt import STATUS_FAIL, STATUS_OK

from hpconv import kernels
from hpconv.budget import Budget, Pace, check_memory
from hpconv.candidate import ModelSettings, describe
from hpconv.engines import choose
from hpconv.errors import CandidateError
from hpconv.learners import FeatureClassifier
from hpconv.pipeline import learn
from hpconv.protocols import Selection


class Stopwatch:
    """Seconds spent in each named step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - start, 4)


def evaluate(
    assignment: dict[str, Any], selection: Selection, model: ModelSettings, budget: Budget
) -> dict[str, Any]:
    """Run a trial.

    Returns:
        a result as hyperopt stores it: ``status``, ``loss`` (validation error rate),
        ``feature_shape``, ``seconds`` by step, ``engine`` (cpu or gpu), ``kernels`` (c or
        numba: what the cpu engine runs on), and for a candidate that cannot be used
        ``failure`` with ``kind`` and ``reason``. Programming errors are raised.
    """
    model = replace(model, engine=choose(model.engine))
    watch = Stopwatch()
    try:
        return _measure(assignment, selection, model, budget, watch)
    except CandidateError as refusal:
        return failure(refusal.kind, refusal.reason, watch.seconds, model.engine)
    except MemoryError as error:
        reason = str(error).partition("\n")[0]  # PyTensor appends a description of the graph
        return failure("out_of_memory", reason or "no memory left", watch.seconds, model.engine)


def failure(kind: str, reason: str, seconds: dict[str, float], engine: str) -> dict[str, Any]:
    """The result of a candidate that cannot be used."""
    cause = {"kind": kind, "reason": reason}
    return {
        "status": STATUS_FAIL,
        "failure": cause,
        "seconds": seconds,
        "engine": engine,
        "kernels": kernels.path(),
    }


def _measure(
    assignment: dict[str, Any],
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
    watch: Stopwatch,
) -> dict[str, Any]:
    unlabelled = selection.images[np.searchsorted(selection.rows, selection.train.rows)]
    pace = Pace(budget.images_per_second)
    with watch("learn"):
        pipeline = describe(assignment, selection.images.shape[1:], model)
        check_memory(pipeline, len(selection.images), model, budget.trial_memory_gb)
        extractor = learn(pipeline, unlabelled[: model.n_unsupervised], model, pace.tick)
    with watch("extract"):
        features = extractor.transform(selection.images, pace.tick)
    with watch("classify"):
        algorithm = FeatureClassifier(features, selection.rows, pipeline.classifier)
        loss = selection.loss(algorithm)
    return {
        "status": STATUS_OK,
        "loss": loss,
        "feature_shape": list(extractor.feature_shape),
        "seconds": watch.seconds,
        "engine": model.engine,
        "kernels": kernels.path(),
    }
