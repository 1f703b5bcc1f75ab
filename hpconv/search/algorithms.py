"""Suggestion algorithms: each suggests the next candidate from the trials that it was told."""

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from hyperopt import anneal, rand, trials_from_docs
from hyperopt.base import Domain

from hpconv.config import SearchSettings
from hpconv.search.forest import ForestSampler
from hpconv.search.tpe import TPE
from hpconv.trials import Assignment, Trial, hyperparameters

SUGGEST: dict[str, Callable[..., list[Trial]]] = {
    "random": rand.suggest,
    "anneal": anneal.suggest,
}


class Algorithm(Protocol):
    """Suggests hyperparameters from the history of a search."""

    @property
    def source(self) -> str:
        """How the next suggestion is drawn: ``random``, ``tpe``, ``forest`` or ``anneal``."""

    def tell(self, trials: Iterable[Trial]) -> None:
        """Add trials to the history, in any order.

        A trial replaces the one with the same tid, whose hyperparameters are the same. Trials in
        state NEW or RUNNING are pending: they count as bad until they are replaced.
        """

    def suggest(self, tid: int, seed: int, refusals: int = 0) -> Assignment:
        """The active hyperparameters of the next trial: label to value, choices by index.

        Args:
            refusals: number of suggestions for this trial that were refused before this one.
        """


class HyperoptAlgorithm:
    """An algorithm of hyperopt, which reads the whole history for each suggestion."""

    def __init__(self, name: str, domain: Domain) -> None:
        self.source = name
        self._domain, self._suggest = domain, SUGGEST[name]
        self._history: dict[int, Trial] = {}  # by tid

    def tell(self, trials: Iterable[Trial]) -> None:
        """Add trials, or replace those with the same tid."""
        self._history.update((trial["tid"], trial) for trial in trials)

    def suggest(self, tid: int, seed: int, refusals: int = 0) -> Assignment:
        """The active hyperparameters of the next trial: label to value, choices by index."""
        history = trials_from_docs(self._history.values(), validate=False)
        (trial,) = self._suggest([tid], self._domain, history, seed)
        return hyperparameters(trial)


def new_algorithm(settings: SearchSettings, domain: Domain) -> Algorithm:
    """The algorithm that the settings name, with an empty history."""
    logging.getLogger("hyperopt").setLevel(logging.WARNING)
    if settings.algorithm == "tpe":
        return TPE(domain, settings.startup_trials)
    if settings.algorithm == "forest":
        return ForestSampler(domain, settings.startup_trials)
    return HyperoptAlgorithm(settings.algorithm, domain)
