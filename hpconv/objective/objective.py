"""Evaluation of a trial: its validation error, or the reason of its failure."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hyperopt.base import Ctrl

from hpconv import kernels
from hpconv.config import Budget, ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.engines import choose, warm_up
from hpconv.errors import CandidateError
from hpconv.features import signature
from hpconv.features.learning import learn
from hpconv.learners import classifier
from hpconv.model.pipeline import Pipeline, describe
from hpconv.model.space import Assignment
from hpconv.objective.budget import Pace, check_memory, count
from hpconv.objective.ensemble_loss import EnsembleContext, ensemble_context, score_trial
from hpconv.stopwatch import Stopwatch
from hpconv.trials import Result, failed_result, hyperparameters

# On CIFAR-10, all random candidates with constant features of this many images had constant
# features of all 5,000; 3 % of those constant over 150 images did not (docs/benchmarks.md).
IMAGES_TO_COMPARE = 1000


class Objective:
    """The function that hyperopt minimises: validation error of a pipeline on a data file.

    It is pickled into the database, without images; workers on all nodes read the same data file.

    Attributes:
        budget: limits of time and memory for each trial.
    """

    fmin_pass_expr_memo_ctrl = True  # hyperopt passes the trial, not the evaluated space

    def __init__(self, data: Path, model: ModelSettings, budget: Budget) -> None:
        self.budget = budget
        self._data, self._model = data.resolve(), model
        self._selection: Selection | None = None

    def prepare(self) -> dict[str, str]:
        """Open the data file and compile kernels, so that the first trial does not wait for them.

        Returns:
            the conditions of evaluation on this machine: ``engine`` (cpu or gpu) and ``kernels``
            (c or numba, the kernels of the cpu engine).

        Raises:
            UserError: if this machine does not have the configured engine.
        """
        self._model = replace(self._model, engine=choose(self._model.engine))
        self._selection = Selection(self._data)
        self._selection.unlabelled(1)  # reads and keeps the images
        warm_up(self._model.engine)
        return {"engine": self._model.engine, "kernels": kernels.backend()}

    def __call__(self, expr: Any, memo: dict[Any, Any], ctrl: Ctrl) -> Result:
        """Evaluate the current trial; see ``evaluate`` for the result."""
        if self._selection is None:
            self.prepare()
        assert self._selection is not None
        assignment = hyperparameters(ctrl.current_trial)
        boosting = ensemble_context(ctrl)
        return evaluate(assignment, self._selection, self._model, self.budget, boosting=boosting)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_selection": None}  # images are not stored in the database


def evaluate(
    assignment: Assignment,
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
    *,
    boosting: EnsembleContext | None = None,
) -> Result:
    """Evaluate a candidate.

    Only ``CandidateError`` and ``MemoryError`` become failures; other exceptions are raised.

    Returns:
        a result as hyperopt stores it: the entries of ``ensemble_loss.score_trial``,
        ``feature_shape``, ``trace`` and ``seconds`` by step; or ``failure`` with ``kind`` and
        ``reason``, and the ``seconds`` of the steps until then.
    """
    watch = Stopwatch()
    try:
        return _measure(assignment, selection, model, budget, boosting=boosting, watch=watch)
    except CandidateError as refusal:
        return failed_result(refusal, watch.seconds)
    except MemoryError as error:
        reason = str(error).partition("\n")[0]  # PyTensor appends a description of the graph
        exhausted = CandidateError("out_of_memory", reason or "no memory left")
        return failed_result(exhausted, watch.seconds)


def describe_feasible(
    assignment: Assignment, selection: Selection, model: ModelSettings, budget: Budget
) -> Pipeline:
    """Describe a candidate and check its shapes, warp and memory, without reading images.

    Raises:
        CandidateError: if it cannot be built or would need too much memory.
    """
    pipeline = describe(assignment, selection.images.shape[1:], model)
    check_memory(pipeline, count(selection), model, budget.trial_memory_mb)
    return pipeline


def feasibility(data: Path, model: ModelSettings, budget: Budget) -> Callable[[Assignment], bool]:
    """Return a function that tests whether ``describe_feasible`` accepts a candidate."""
    selection = Selection(data)

    def is_feasible(assignment: Assignment) -> bool:
        try:
            describe_feasible(assignment, selection, model, budget)
        except CandidateError:
            return False
        return True

    return is_feasible


def _measure(
    assignment: Assignment,
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
    *,
    boosting: EnsembleContext | None,
    watch: Stopwatch,
) -> Result:
    unlabelled = selection.unlabelled(model.n_unsupervised)
    pace = Pace(budget.images_per_second)
    with watch("learn"):
        pipeline = describe_feasible(assignment, selection, model, budget)
        extractor = learn(pipeline, unlabelled, model, pace.tick)
    with watch("extract"):
        features = extractor.transform(selection.images, pace.tick, refuse_constant)
        traced = signature.record(extractor, selection.unlabelled(signature.N_IMAGES))
    with watch("classify"):
        rows, pairs = selection.rows, selection.pairs
        new = partial(classifier, features, rows, pipeline.classifier, pairs=pairs)
        result = score_trial(new, selection, boosting)
    shape = list(extractor.feature_shape)
    result.update({"feature_shape": shape, "trace": traced, "seconds": watch.seconds})
    return result


def refuse_constant(features: np.ndarray) -> None:
    """Refuse features ``(n, ...)`` that are the same for all of the first images.

    ``Scaler.fit`` would refuse them too, but only after the extraction from all images. The last
    image is compared first, because it nearly always differs from the first one.

    Raises:
        CandidateError: ``homogeneous``, if there are at least IMAGES_TO_COMPARE images.
    """
    if len(features) < IMAGES_TO_COMPARE or not np.array_equal(features[0], features[-1]):
        return
    if (features == features[0]).all():
        reason = f"the first {len(features)} images have the same features"
        raise CandidateError("homogeneous", reason)
