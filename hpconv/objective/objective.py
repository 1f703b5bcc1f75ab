"""One trial: from hyperparameters to a validation error, or to the reason why there is none."""

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
from hpconv.objective.budget import Pace, check_memory, count
from hpconv.objective.ensemble_loss import EnsembleContext, ensemble_context, score_trial
from hpconv.stopwatch import Stopwatch
from hpconv.trials import Result, failed_result, hyperparameters

Assignment = dict[str, Any]  # active hyperparameters: label to value, choices by index

# Of random candidates on CIFAR-10 whose features are constant over this many images, all were
# constant over all 5,000; of those constant over 150 images, 3 % were not (docs/benchmarks.md).
IMAGES_TO_COMPARE = 1000


class Objective:
    """What hyperopt calls with a trial: validation error of a pipeline on a data file.

    It is pickled into the database; a worker on any node that sees the file can evaluate it.
    """

    fmin_pass_expr_memo_ctrl = True  # hyperopt hands over the trial, not the evaluated space

    def __init__(self, data: Path, model: ModelSettings, budget: Budget) -> None:
        self.budget = budget
        self._data, self._model = data.resolve(), model
        self._selection: Selection | None = None

    def prepare(self) -> dict[str, str]:
        """Do what only the first trial of a process would wait for.

        Returns:
            the conditions under which trials are evaluated here: ``engine`` (cpu or gpu) and
            ``kernels`` (c or numba: what the cpu engine runs on).

        Raises:
            UserError: when this machine does not have the engine that is asked for.
        """
        self._model = replace(self._model, engine=choose(self._model.engine))
        self._selection = Selection(self._data)
        warm_up(self._model.engine)
        return {"engine": self._model.engine, "kernels": kernels.backend()}

    def __call__(self, expr: Any, memo: dict[Any, Any], ctrl: Ctrl) -> Result:
        """Run a trial; the result is that of ``evaluate``."""
        if self._selection is None:
            self.prepare()
        assert self._selection is not None
        assignment = hyperparameters(ctrl.current_trial)
        boosting = ensemble_context(ctrl)
        return evaluate(assignment, self._selection, self._model, self.budget, boosting)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_selection": None}  # images never go into the database


def evaluate(
    assignment: dict[str, Any],
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
    boosting: EnsembleContext | None = None,
) -> Result:
    """Run a trial.

    Returns:
        a result as hyperopt stores it: ``status``, ``loss`` (validation error rate) and the other
        entries of ``ensemble_loss.score_trial``, ``feature_shape``, its ``trace``, ``seconds`` by
        step, and for a candidate that cannot be used ``failure`` with ``kind`` and ``reason``.
        Programming errors are raised.
    """
    watch = Stopwatch()
    try:
        return _measure(assignment, selection, model, budget, boosting, watch)
    except CandidateError as refusal:
        return failed_result(refusal, watch.seconds)
    except MemoryError as error:
        reason = str(error).partition("\n")[0]  # PyTensor appends a description of the graph
        exhausted = CandidateError("out_of_memory", reason or "no memory left")
        return failed_result(exhausted, watch.seconds)


def describe_feasible(
    assignment: Assignment, selection: Selection, model: ModelSettings, budget: Budget
) -> Pipeline:
    """Describe a candidate and check its sizes, warp and memory, without reading an image.

    Raises:
        CandidateError: when it cannot be built, or would need too much memory.
    """
    pipeline = describe(assignment, selection.images.shape[1:], model)
    check_memory(pipeline, count(selection), model, budget.trial_memory_mb)
    return pipeline


def feasibility(data: Path, model: ModelSettings, budget: Budget) -> Callable[[Assignment], bool]:
    """A function that returns whether ``describe_feasible`` accepts a candidate."""
    selection = Selection(data)

    def is_feasible(assignment: Assignment) -> bool:
        try:
            describe_feasible(assignment, selection, model, budget)
        except CandidateError:
            return False
        return True

    return is_feasible


def _measure(
    assignment: dict[str, Any],
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
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
    """Refuse features ``(n, ...)`` of the first images if none of them differs between images.

    ``Scaler.fit`` would refuse them after all images were extracted. The first image is compared
    with the last one first, which nearly always differs.

    Raises:
        CandidateError: ``homogeneous``, from IMAGES_TO_COMPARE images on.
    """
    if len(features) < IMAGES_TO_COMPARE or not np.array_equal(features[0], features[-1]):
        return
    if (features == features[0]).all():
        reason = f"the first {len(features)} images have the same features"
        raise CandidateError("homogeneous", reason)
