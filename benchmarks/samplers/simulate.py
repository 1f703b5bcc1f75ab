"""A simulated search: workers whose trials last as long as the surrogate predicts."""

import heapq
from collections.abc import Iterator
from itertools import chain, islice
from typing import Protocol

import numpy as np

from benchmarks.samplers.surrogate import Outcome, Surrogate
from hpconv.trials import Assignment

REDRAWS = 20


class Contender(Protocol):
    """A sampler in the benchmark."""

    def started(self, tid: int, values: Assignment) -> None:
        """A suggestion was queued."""

    def ended(self, tid: int, values: Assignment, loss: float | None) -> None:
        """Its trial has a loss, or failed."""

    def suggestions(self, seed: int) -> Iterator[Assignment]:
        """Candidates, best first; the next is used if one is refused."""


def search(
    sampler: Contender, surrogate: Surrogate, n_trials: int, workers: int, seed: int
) -> np.ndarray:
    """The lowest loss without noise after each trial, ``(n_trials,)``; infinite before the first.

    As in the driver, the queue holds half as many trials as there are workers, none for one.
    """
    outstanding = workers + workers // 2 if workers > 1 else 1
    waiting: list[tuple[int, Assignment, Outcome]] = []
    running: list[tuple[float, int, Assignment, Outcome]] = []
    losses: list[float] = []
    clock, tid = 0.0, 0
    while len(losses) < n_trials:
        while len(waiting) + len(running) < outstanding and tid < n_trials:
            values, outcome = _buildable(sampler, surrogate, tid, seed)
            sampler.started(tid, values)
            waiting.append((tid, values, outcome))
            tid += 1
        while waiting and len(running) < workers:
            number, values, outcome = waiting.pop(0)
            heapq.heappush(running, (clock + outcome.seconds, number, values, outcome))
        clock, number, values, outcome = heapq.heappop(running)
        loss = surrogate.observed(outcome, np.random.default_rng([seed, number, 1]))
        sampler.ended(number, values, loss)
        losses.append(np.inf if loss is None else outcome.loss)
    return np.minimum.accumulate(losses)


def _buildable(
    sampler: Contender, surrogate: Surrogate, tid: int, seed: int
) -> tuple[Assignment, Outcome]:
    """The first suggestion that sizes and warp allow; after 20 redraws, one at random."""
    number = int(np.random.SeedSequence([seed, tid]).generate_state(1)[0])
    suggestions = islice(sampler.suggestions(number), REDRAWS + 1)
    for values in chain(suggestions, surrogate.random(np.random.default_rng([number, 2]))):
        if outcome := surrogate(values):
            return values, outcome
    raise AssertionError("random draws have no end")
