"""What suggests the next candidate, behind one interface."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from hyperopt import Trials, anneal, rand
from hyperopt.base import Domain

from hpconv.config import SearchSettings
from hpconv.search.tpe import TPE
from hpconv.trials import Trial, hyperparameters

SUGGEST: dict[str, Callable[..., list[Trial]]] = {
    "random": rand.suggest,
    "anneal": anneal.suggest,
}


class Algorithm(Protocol):
    """Is told of finished trials, and suggests the hyperparameters of another one."""

    @property
    def source(self) -> str:
        """How the next suggestion is drawn: ``random``, ``tpe`` or ``anneal``."""

    def tell(self, docs: list[Trial]) -> None: ...

    def suggest(self, tid: int, seed: int) -> dict[str, Any]: ...


class FromHyperopt:
    """An algorithm of hyperopt's, which reads all of the history for each suggestion."""

    def __init__(self, name: str, domain: Domain) -> None:
        self.source = name
        self._domain, self._suggest = domain, SUGGEST[name]
        self._trials = Trials()

    def tell(self, docs: list[Trial]) -> None:
        """Add finished trials to the history."""
        self._trials._insert_trial_docs(docs)
        self._trials.refresh()

    def suggest(self, tid: int, seed: int) -> dict[str, Any]:
        """Hyperparameters for a trial: label to value, choices by index."""
        (trial,) = self._suggest([tid], self._domain, self._trials, seed)
        return hyperparameters(trial)


def algorithm(settings: SearchSettings, domain: Domain) -> Algorithm:
    """The algorithm that the settings name."""
    logging.getLogger("hyperopt").setLevel(logging.WARNING)
    if settings.algorithm == "tpe":
        return TPE(domain, settings.startup_trials)
    return FromHyperopt(settings.algorithm, domain)
