"""Suggestions that are drawn again until one of them can be built."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpconv.search.algorithms import Algorithm
from hpconv.trials import Assignment, to_builtin_types

MODEL_REDRAWS = 20  # from the search's own algorithm
RANDOM_REDRAWS = 100  # at random, if these are all refused

IsFeasible = Callable[[Assignment], bool]


@dataclass(frozen=True)
class Suggestion:
    """Hyperparameters for a trial.

    Attributes:
        source: how they were drawn: ``random``, ``tpe``, ``forest``, ``anneal`` or ``start_from``.
        redrawn: number of refused suggestions before this one.
    """

    values: Assignment
    source: str
    redrawn: int = 0


def suggest(algorithm: Algorithm, tid: int, seed: int) -> Suggestion:
    """The algorithm's suggestion for a trial, whether or not it can be built.

    Args:
        seed: of the search.
    """
    return _draw(algorithm, tid, seed, 0)


def suggest_feasible(
    algorithm: Algorithm, tid: int, seed: int, *, at_random: Algorithm, is_feasible: IsFeasible
) -> Suggestion:
    """The first suggestion for a trial that can be built.

    The algorithm is asked 1 + ``MODEL_REDRAWS`` times, then ``at_random``. If all are refused, the
    last one is returned: its trial fails and shows the reason.
    """
    for attempt in range(1 + MODEL_REDRAWS + RANDOM_REDRAWS):
        drawn_by = algorithm if attempt <= MODEL_REDRAWS else at_random
        suggestion = _draw(drawn_by, tid, seed, attempt)
        if is_feasible(suggestion.values):
            break
    return suggestion


def _draw(algorithm: Algorithm, tid: int, seed: int, attempt: int) -> Suggestion:
    """One draw, seeded by search, trial and attempt: a resumed driver repeats it."""
    entropy = np.random.SeedSequence([seed, tid, attempt])  # a final 0 changes nothing
    values = algorithm.suggest(tid, int(entropy.generate_state(1)[0]), attempt)
    return Suggestion(to_builtin_types(values), algorithm.source, attempt)
