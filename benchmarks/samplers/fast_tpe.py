"""The distribution of ``hyperopt.tpe.suggest``, compiled, so that a benchmark can afford it.

It follows the same formulas (``hpconv.search.tpe`` has hyperopt's own), with other random numbers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit

from hpconv.trials import Assignment

N_CANDIDATES, GAMMA, FORGET = 24, 0.25, 25


class FastTPE:
    """Losses may be replaced: a pending trial is told with an infinite one."""

    def __init__(self, table: Sequence[Mapping[str, Any]]) -> None:
        entries = sorted(table, key=lambda entry: len(entry["condition"]))
        self._entries = [_read(entry) for entry in entries]
        self._number = {entry[0]: k for k, entry in enumerate(self._entries)}
        self._told: dict[int, tuple[np.ndarray, float]] = {}
        self._mixtures: dict[int, tuple[Any, ...]] = {}  # by hyperparameter
        self._history: tuple[np.ndarray, np.ndarray] | None = None  # since the last telling

    def __len__(self) -> int:
        return len(self._told)

    def tell(self, tid: int, values: Assignment, loss: float) -> None:
        row = np.full(len(self._entries), math.nan)
        for label, value in values.items():
            number = self._number[label]
            row[number] = math.log(value) if self._entries[number][3] else value
        self._told[tid] = (row, loss)
        self._history = None

    def suggest(self, seed: int, n_candidates: int = N_CANDIDATES) -> Assignment:
        _seed(seed % 2**32)
        if self._history is None:
            self._history, self._mixtures = self._columns(), {}
        columns, below = self._history
        values: Assignment = {}
        for number, (label, conditions, options, is_log, *prior) in enumerate(self._entries):
            for name, allowed in conditions:
                if values.get(name) not in allowed:
                    break
            else:
                if options:
                    values[label] = int(_choice(columns[number], below, options, n_candidates))
                    continue
                if number not in self._mixtures:
                    self._mixtures[number] = _mixtures(columns[number], below, *prior[:4])
                drawn = _number(*self._mixtures[number], is_log, *prior[2:], n_candidates)
                values[label] = math.exp(drawn) if is_log and not prior[-1] else drawn
        return values

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Assignment by hyperparameter and by tid, and which trials are the best."""
        told = [self._told[tid] for tid in sorted(self._told)]
        losses = np.array([loss for _, loss in told])
        n_below = min(math.ceil(GAMMA * math.sqrt(len(losses))), FORGET)
        below = np.zeros(len(losses), bool)
        below[np.argsort(losses)[:n_below]] = True
        return np.ascontiguousarray(np.array([row for row, _ in told]).T), below


def _read(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Label, condition, options, whether logarithmic; prior mean, deviation, bounds, quantum."""
    name, condition = entry["label"], list(entry["condition"].items())
    if entry["dist"] == "randint":
        return (name, condition, entry["args"][0], False, 0.0, 0.0, 0.0, 0.0, 0.0)
    normal, is_log = "normal" in entry["dist"], "log" in entry["dist"]
    names = ("mu", "sigma", "q") if normal else ("low", "high", "q")
    given = dict(zip(names, entry["args"], strict=False)) | dict(entry["kw"])
    first, second, quantum = (float(given.get(key, 0)) for key in names)
    if normal:
        prior = (first, second, -math.inf, math.inf)
    else:
        prior = ((first + second) / 2, second - first, first, second)
    return (name, condition, 0, is_log, *prior, quantum)


@njit(cache=True)
def _seed(seed):  # type: ignore[no-untyped-def]
    np.random.seed(seed)


@njit(cache=True)
def _weights(count):  # type: ignore[no-untyped-def]
    weights = np.ones(count)
    if count > FORGET:
        weights[: count - FORGET] = np.linspace(1 / count, 1.0, count - FORGET)
    return weights


@njit(cache=True)
def _choice(column, below, options, n_candidates):  # type: ignore[no-untyped-def]
    tables = np.ones((2, options))
    for part in range(2):
        seen = column[(below == (part == 0)) & ~np.isnan(column)]
        for value, weight in zip(seen, _weights(len(seen))):  # noqa: B905
            tables[part, int(value)] += weight
        tables[part] /= tables[part].sum()
    best, score = 0, -np.inf
    edges = np.cumsum(tables[0])
    for _ in range(n_candidates):
        drawn = min(np.searchsorted(edges, np.random.random(), "right"), options - 1)
        if tables[0, drawn] / tables[1, drawn] > score:
            best, score = drawn, tables[0, drawn] / tables[1, drawn]
    return best


@njit(cache=True)
def _parzen(seen, mu, sigma):  # type: ignore[no-untyped-def]
    order = np.argsort(seen)
    place = np.searchsorted(seen[order], mu)
    if len(seen) == 1:
        place = 0 if mu < seen[0] else 1
    centres, weights = np.empty(len(seen) + 1), np.empty(len(seen) + 1)
    forgetting = _weights(len(seen))
    for k in range(len(seen)):
        where = k if k < place else k + 1
        centres[where], weights[where] = seen[order[k]], forgetting[order[k]]
    centres[place], weights[place] = mu, 1.0
    widths = np.full(len(centres), sigma)
    last = len(centres) - 1
    if len(seen) == 1:
        widths[1 - place] = sigma / 2
    elif len(seen) > 1:
        for k in range(1, last):
            widths[k] = max(centres[k] - centres[k - 1], centres[k + 1] - centres[k])
        widths[0], widths[last] = centres[1] - centres[0], centres[last] - centres[last - 1]
    widths = np.clip(widths, sigma / min(100.0, 1.0 + len(centres)), sigma)
    widths[place] = sigma
    return weights / weights.sum(), centres, widths


@njit(cache=True)
def _cdf(x, mu, sigma):  # type: ignore[no-untyped-def]
    return 0.5 * (1 + math.erf((x - mu) / (math.sqrt(2.0) * sigma)))


@njit(cache=True)
def _accepted(mixture, low, high):  # type: ignore[no-untyped-def]
    total = 0.0
    for w, mu, sigma in zip(*mixture):  # noqa: B905
        total += w * (_cdf(high, mu, sigma) - _cdf(low, mu, sigma))
    return total


@njit(cache=True)
def _density(x, mixture, low, high, quantum, is_log):  # type: ignore[no-untyped-def]
    total = 0.0
    upper, lower = x + quantum / 2, x - quantum / 2
    if is_log and quantum:
        upper = math.log(min(upper, math.exp(high)))
        lower = math.log(max(lower, math.exp(low)))
    for w, mu, sigma in zip(*mixture):  # noqa: B905
        if quantum:
            total += w * _cdf(min(upper, high), mu, sigma) - w * _cdf(max(lower, low), mu, sigma)
        else:
            total += w / sigma * math.exp(-0.5 * ((x - mu) / sigma) ** 2)
    return total


@njit(cache=True)
def _mixtures(column, below, mu, sigma, low, high):  # type: ignore[no-untyped-def]
    known = ~np.isnan(column)
    good = _parzen(column[known & below], mu, sigma)
    bad = _parzen(column[known & ~below], mu, sigma)
    return good, bad, _accepted(good, low, high) / _accepted(bad, low, high)


@njit(cache=True)
def _number(good, bad, accepted, is_log, low, high, quantum, n_candidates):  # type: ignore[no-untyped-def]
    edges = np.cumsum(good[0])
    best, score = good[1][0], -np.inf
    for _ in range(n_candidates):
        while True:
            which = min(np.searchsorted(edges, np.random.random(), "right"), len(edges) - 1)
            drawn = np.random.normal(good[1][which], good[2][which])
            if low <= drawn < high:
                break
        if quantum:
            drawn = np.round((math.exp(drawn) if is_log else drawn) / quantum) * quantum
        dense = _density(drawn, good, low, high, quantum, is_log) / accepted
        ratio = dense / max(_density(drawn, bad, low, high, quantum, is_log), 1e-300)
        if ratio > score:
            best, score = drawn, ratio
    return best
