"""hpconv's samplers, random search and hyperopt's TPE, for the event loop of ``simulate``."""

import math
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_NEW, Domain

from benchmarks.samplers.fast_tpe import N_CANDIDATES, FastTPE
from hpconv.model.space import Node
from hpconv.model.space_table import table
from hpconv.search.forest import ForestSampler
from hpconv.search.unit_space import UnitSpace
from hpconv.trials import Assignment

STARTUP = 20


class Random:
    """Draws from the prior."""

    def __init__(self, graph: Node) -> None:
        self._space = UnitSpace(table(graph))

    def started(self, tid: int, values: Assignment) -> None:
        pass

    def ended(self, tid: int, values: Assignment, loss: float | None) -> None:
        pass

    def suggestions(self, seed: int) -> Iterator[Assignment]:
        rng = np.random.default_rng(seed)
        while True:
            yield self._space.values(self._space.draw(1, rng)[0])


class Parzen(Random):
    """hyperopt's TPE, to which pending trials have an infinite loss."""

    def __init__(self, graph: Node) -> None:
        super().__init__(graph)
        self._tpe = FastTPE(table(graph))

    def started(self, tid: int, values: Assignment) -> None:
        self._tpe.tell(tid, values, math.inf)

    def ended(self, tid: int, values: Assignment, loss: float | None) -> None:
        self._tpe.tell(tid, values, math.inf if loss is None else loss)

    def suggestions(self, seed: int) -> Iterator[Assignment]:
        if len(self._tpe) < STARTUP:
            yield from super().suggestions(seed)
        rng = np.random.default_rng(seed)
        for attempt in count():
            yield self._tpe.suggest(int(rng.integers(2**32)), max(1, N_CANDIDATES >> attempt))


class Forest:
    """The forest sampler, which knows pending trials."""

    def __init__(self, graph: Node) -> None:
        self._domain = Domain(lambda assignment: 0.0, graph)
        self._sampler = ForestSampler(self._domain, STARTUP)

    def started(self, tid: int, values: Assignment) -> None:
        self._sampler.tell([self._document(tid, values, JOB_STATE_NEW, {})])

    def ended(self, tid: int, values: Assignment, loss: float | None) -> None:
        self._sampler.tell([self._document(tid, values, JOB_STATE_DONE, {"loss": loss})])

    def suggestions(self, seed: int) -> Iterator[Assignment]:
        for attempt in count():
            yield self._sampler.suggest(0, seed + attempt)

    def _document(
        self, tid: int, values: Assignment, state: int, result: dict[str, Any]
    ) -> dict[str, Any]:
        vals = {label: [values[label]] if label in values else [] for label in self._domain.params}
        return {"tid": tid, "state": state, "result": result, "misc": {"vals": vals}}
