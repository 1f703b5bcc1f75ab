"""Costs of trials: random candidates, evaluated here as a worker evaluates them."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import cloudpickle
from hyperopt.base import Domain

from hpconv.config import Config
from hpconv.datasets.protocols import Selection
from hpconv.errors import CandidateError
from hpconv.model.space import search_space
from hpconv.objective.budget import count
from hpconv.objective.objective import Objective, describe_feasible
from hpconv.search.algorithms import HyperoptAlgorithm
from hpconv.search.driver import new_trial
from hpconv.search.redraw import suggest_feasible
from hpconv.trials import Assignment, Trial
from hpconv.worker.evaluator import CHECK_SECONDS, Evaluator
from hpconv.worker.messages import Outcome


@dataclass(frozen=True)
class TrialCost:
    """What the evaluation of a candidate took.

    Attributes:
        seconds: from its submission to its result.
        peak_mb: largest resident memory (MiB) of the evaluation process, as workers limit it.
        features: number for each image; None if the candidate failed.
        failure: kind of its failure; None if there is none.
    """

    seconds: float
    peak_mb: float
    features: int | None
    failure: str | None


class Candidates:
    """The first candidates of a search, all of them random.

    Args:
        data: data file of the search.

    Attributes:
        refused: number of suggestions, by kind, that sizes, warp or memory have refused.
    """

    def __init__(self, settings: Config, data: Path) -> None:
        model, budget = settings.model, settings.search
        space = search_space(model.output_sizes, model.max_layer_sizes)
        self._settings, self._counts = settings, count(Selection(data))
        self.domain = Domain(Objective(data, model, budget), space)
        self.refused: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Trial]:
        at_random = HyperoptAlgorithm("random", self.domain)
        for tid in itertools.count():
            suggestion = suggest_feasible(
                *(at_random, tid, self._settings.search.seed),
                at_random=at_random,
                is_feasible=self._is_feasible,
            )
            yield new_trial(tid, suggestion.values, self.domain.params)

    def _is_feasible(self, values: Assignment) -> bool:
        try:
            describe_feasible(values, self._counts, self._settings.model, self._settings.search)
        except CandidateError as refusal:
            self.refused[refusal.kind] += 1
            return False
        return True


def measure(candidates: Candidates, number: int) -> Iterator[TrialCost]:
    """Evaluate candidates on all examples, one after the other.

    Raises:
        UserError: if this machine cannot evaluate them.
    """
    evaluator = Evaluator(cloudpickle.dumps(candidates.domain), None)
    try:
        for trial in itertools.islice(candidates, number):
            while not evaluator.ready(CHECK_SECONDS):
                pass
            yield _cost(evaluator, trial)
    finally:
        evaluator.close()


def _cost(evaluator: Evaluator, trial: Trial) -> TrialCost:
    start, peak, outcome = time.monotonic(), 0.0, None
    evaluator.submit(trial)
    while not isinstance(outcome, Outcome):
        peak = max(peak, evaluator.resident_mb())
        outcome = evaluator.stopped(time.monotonic() - start) or evaluator.outcome(CHECK_SECONDS)
    result = outcome.result
    return TrialCost(
        time.monotonic() - start,
        peak,
        prod(result["feature_shape"]) if "feature_shape" in result else None,
        result["failure"]["kind"] if "failure" in result else None,
    )
