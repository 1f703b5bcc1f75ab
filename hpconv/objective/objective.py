"""Evaluation of a trial: its validation error, or the reason of its failure."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
from hpconv.objective.budget import Counts, Pace, check_memory, count
from hpconv.objective.ensemble_loss import EnsembleContext, ensemble_context, score_trial
from hpconv.objective.extraction import Features
from hpconv.objective.rungs import RungContext, reach_rungs, rung_context
from hpconv.states import STATUS_OK
from hpconv.stopwatch import Stopwatch
from hpconv.trials import Assignment, Result, failed_result, hyperparameters


class Objective:
    """The function that hyperopt minimises: validation error of a pipeline on a data file.

    It is pickled into the database, without images; workers on all nodes read the same data file.

    Args:
        rungs: shares of the examples to which a trial is fitted first, rising.

    Attributes:
        budget: limits of time and memory for each trial.
    """

    fmin_pass_expr_memo_ctrl = True  # hyperopt passes the trial, not the evaluated space

    def __init__(
        self, data: Path, model: ModelSettings, budget: Budget, rungs: Sequence[float] = ()
    ) -> None:
        self.budget = budget
        self._rungs = rungs
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
        return evaluate(
            *(assignment, self._selection, self._model, self.budget),
            boosting=ensemble_context(ctrl),
            rungs=rung_context(self._rungs, ctrl),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_selection": None}  # images are not stored in the database


def evaluate(
    assignment: Assignment,
    selection: Selection,
    model: ModelSettings,
    budget: Budget,
    *,
    boosting: EnsembleContext | None = None,
    rungs: RungContext | None = None,
) -> Result:
    """Evaluate a candidate.

    Only ``CandidateError`` and ``MemoryError`` become failures; other exceptions are raised.

    Returns:
        a result as hyperopt stores it: the entries of ``ensemble_loss.score_trial``,
        ``feature_shape``, ``trace``, ``seconds`` by step and the ``rungs``; of a candidate that
        is stopped at a rung, its loss there, ``stopped_at`` and no ``trace``; or ``failure`` with
        ``kind`` and ``reason``, and the ``seconds`` of the steps until then.
    """
    watch = Stopwatch()
    try:
        return _measure(
            assignment, selection, model, budget, boosting=boosting, rungs=rungs, watch=watch
        )
    except CandidateError as refusal:
        return failed_result(refusal, watch.seconds)
    except MemoryError as error:
        reason = str(error).partition("\n")[0]  # PyTensor appends a description of the graph
        exhausted = CandidateError("out_of_memory", reason or "no memory left")
        return failed_result(exhausted, watch.seconds)


def describe_feasible(
    assignment: Assignment, counts: Counts, model: ModelSettings, budget: Budget
) -> Pipeline:
    """Describe a candidate and check its shapes, warp and memory.

    Raises:
        CandidateError: if it cannot be built or would need too much memory.
    """
    pipeline = describe(assignment, counts.image_shape, model)
    check_memory(pipeline, counts, model, budget.trial_memory_mb)
    return pipeline


def feasibility(data: Path, model: ModelSettings, budget: Budget) -> Callable[[Assignment], bool]:
    """Return a function that tests whether ``describe_feasible`` accepts a candidate."""
    counts = count(Selection(data))

    def is_feasible(assignment: Assignment) -> bool:
        try:
            describe_feasible(assignment, counts, model, budget)
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
    rungs: RungContext | None,
    watch: Stopwatch,
) -> Result:
    unlabelled = selection.unlabelled(model.n_unsupervised)
    pace = Pace(budget.images_per_second)
    with watch("learn"):
        pipeline = describe_feasible(assignment, count(selection), model, budget)
        extractor = learn(pipeline, unlabelled, model, pace.tick)
    features = Features(extractor, selection.images, pace.tick)
    rows, pairs = selection.rows, selection.pairs
    new = partial(classifier, features.values, rows, pipeline.classifier, pairs=pairs)

    def loss_at(share: float) -> float:
        part = selection.share(share)
        with watch("extract"):
            features.extract(part.numbers)
        with watch("classify"):
            return part.loss(new())

    result: Result = {"status": STATUS_OK}
    if rungs:
        result = reach_rungs(rungs, loss_at, watch.seconds)
    if "stopped_at" not in result:
        with watch("extract"):
            features.extract(selection.numbers)
            result["trace"] = signature.record(extractor, selection.unlabelled(signature.N_IMAGES))
        with watch("classify"):
            result |= score_trial(new, selection, boosting)
    return result | {"feature_shape": list(extractor.feature_shape), "seconds": watch.seconds}
