"""Optuna's samplers in the event loop of ``benchmarks.samplers``.

Optuna has no normal distribution: ranges span three standard deviations. A refused suggestion
is told as FAIL, of which Optuna's TPE takes no notice; a trial that fails has the error 1.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from math import exp
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from benchmarks.samplers.contenders import STARTUP
from hpconv.model.space import Node
from hpconv.model.space_table import table
from hpconv.trials import Assignment

FAILED = 5.0  # an error of 99.3 % on the logistic scale


def tpe(**settings: Any) -> Callable[[int], BaseSampler]:
    """Makes Optuna's TPE from a seed."""
    return lambda seed: optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed, **settings)


def hub(module: str, name: str) -> Callable[[int], BaseSampler]:
    """Makes a sampler of OptunaHub; its registry's ``package/samplers`` is on PYTHONPATH."""
    return lambda seed: getattr(import_module(module), name)(n_startup_trials=STARTUP, seed=seed)


SAMPLERS = {
    "optuna": tpe(),
    "optuna-group": tpe(multivariate=True, group=True, constant_liar=True),
    "optunahub-union": hub("tpe_union_multivariate", "TPEUnionMultivariateSampler"),
}


class Optuna:
    """Any sampler of Optuna's."""

    def __init__(self, graph: Node, sampler: BaseSampler) -> None:
        rows = sorted(table(graph), key=lambda row: len(row["condition"]))
        self._rows = [(row["label"], row["condition"], _distribution(row)) for row in rows]
        self._study = optuna.create_study(sampler=sampler)
        self._asked: tuple[optuna.Trial, Assignment] | None = None
        self._live: dict[int, optuna.Trial] = {}

    def started(self, tid: int, values: Assignment) -> None:
        if self._asked and self._asked[1] is values:
            self._live[tid], self._asked = self._asked[0], None

    def ended(self, tid: int, values: Assignment, loss: float | None) -> None:
        if tid in self._live:  # else drawn at random after too many refusals
            self._study.tell(self._live.pop(tid), FAILED if loss is None else loss)

    def suggestions(self, seed: int) -> Iterator[Assignment]:
        while True:
            if self._asked:
                self._study.tell(self._asked[0], state=TrialState.FAIL)
            trial = self._study.ask()
            self._asked = trial, self._values(trial)
            yield self._asked[1]

    def _values(self, trial: optuna.Trial) -> Assignment:
        values: Assignment = {}
        for label, condition, distribution in self._rows:
            if all(values.get(name) in allowed for name, allowed in condition.items()):
                values[label] = trial._suggest(label, distribution)
        return values


def _distribution(row: Mapping[str, Any]) -> BaseDistribution:
    """The nearest that Optuna has to a hyperparameter of the table."""
    names = ("mu", "sigma", "q") if "normal" in row["dist"] else ("low", "high", "q")
    given = dict(zip(names, row["args"], strict=False)) | dict(row["kw"])
    if row["dist"] == "randint":
        return CategoricalDistribution(range(row["args"][0]))
    low, high = given[names[0]], given[names[1]]
    if "normal" in row["dist"]:
        low, high = low - 3 * high, low + 3 * high
    if row["dist"] == "quniform":
        return IntDistribution(round(low), round(high - 0.1))
    if row["dist"] == "qloguniform":
        step = int(given["q"])
        return IntDistribution(step, round(exp(high) / step) * step, step=step)
    log = row["dist"].startswith("log")
    if log:
        low, high = exp(low), exp(high)
    return FloatDistribution(low, high, log=log)
