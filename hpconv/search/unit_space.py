"""The search space in unit coordinates: an assignment is a row of numbers.

A numeric hyperparameter is mapped by the distribution function of its prior, so that the prior is
uniform and distances are comparable; a choice is its index; an inactive hyperparameter is NaN.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyperopt.pyll import Literal, as_apply
from scipy.special import ndtr, ndtri

from hpconv.model.space import Node
from hpconv.trials import Assignment

Condition = tuple[tuple[int, frozenset[int]], ...]  # columns of choices, and what they must be


@dataclass(frozen=True)
class Column:
    """A hyperparameter.

    Attributes:
        condition: the choices under which it is active; they come before it in a row.
        n_options: of a choice; 0 for a number.
        unit, value: map a value to unit coordinates and back; for a choice, to its index.
    """

    label: str
    condition: Condition
    n_options: int
    unit: Callable[[float], float]
    value: Callable[[float], Any]


class UnitSpace:
    """Converts assignments to rows and back, and draws rows from the prior.

    Args:
        table: of the hyperparameters, from ``space_table.table``.

    Attributes:
        columns: in the order of a row.
        n_options: ``(n_columns,)``.
    """

    def __init__(self, table: Sequence[Mapping[str, Any]]) -> None:
        ordered = sorted(table, key=lambda entry: len(entry["condition"]))  # choices come first
        number = {entry["label"]: place for place, entry in enumerate(ordered)}
        self.columns = [_column(entry, number) for entry in ordered]
        self.n_options = np.array([column.n_options for column in self.columns])
        self._number = number
        together: dict[Condition, list[int]] = {}
        for place, column in enumerate(self.columns):
            together.setdefault(column.condition, []).append(place)
        self._conditional = [(self._tests(on), places) for on, places in together.items() if on]

    def _tests(self, condition: Condition) -> list[tuple[int, np.ndarray]]:
        """For each choice in a condition, which of its options fulfil it."""
        return [
            (which, np.isin(np.arange(self.n_options[which]), list(options)))
            for which, options in condition
        ]

    def row(self, values: Assignment) -> np.ndarray:
        """The row ``(n_columns,)`` of an assignment."""
        row = np.full(len(self.columns), math.nan)
        for label, value in values.items():
            row[self._number[label]] = self.columns[self._number[label]].unit(value)
        return row

    def values(self, row: np.ndarray) -> Assignment:
        """The assignment of a row."""
        active = np.flatnonzero(~np.isnan(row))
        return {self.columns[k].label: self.columns[k].value(row[k]) for k in active}

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows ``(count, n_columns)`` from the prior."""
        rows = rng.random((count, len(self.columns)))
        choices = self.n_options > 0
        rows[:, choices] = np.floor(rows[:, choices] * self.n_options[choices])
        return self.prune(rows)

    def prune(self, rows: np.ndarray) -> np.ndarray:
        """Set inactive values of complete rows to NaN, in place."""
        chosen = np.nan_to_num(rows, nan=0).astype(int).T
        for tests, places in self._conditional:
            active = np.logical_and.reduce([allowed[chosen[which]] for which, allowed in tests])
            rows[:, places] = np.where(active[:, None], rows[:, places], math.nan)
        return rows


def _column(entry: Mapping[str, Any], number: Mapping[str, int]) -> Column:
    condition = tuple((number[name], frozenset(on)) for name, on in entry["condition"].items())
    arguments = list(entry["args"]) + list(entry["kw"].values())
    if entry["dist"] == "randint":
        low, high = arguments if len(arguments) == 2 else (0, arguments[0])
        return Column(
            entry["label"],
            condition,
            int(high - low),
            lambda value: float(value - low),
            lambda unit: int(unit) + low,
        )
    return Column(entry["label"], condition, 0, *_numeric(entry))


def _numeric(entry: Mapping[str, Any]) -> tuple[Callable[..., float], Callable[..., float]]:
    """Distribution function and its inverse; quantised values are rounded after the draw."""
    names = ("mu", "sigma", "q") if "normal" in entry["dist"] else ("low", "high", "q")
    given = dict(zip(names, entry["args"], strict=False)) | dict(entry["kw"])
    first, second, quantum = (given.get(name, 0) for name in names)
    normal, logarithmic = "normal" in entry["dist"], "log" in entry["dist"]

    def unit(value: float) -> float:
        number = math.log(max(value, 1e-300)) if logarithmic else value
        if normal:
            return float(ndtr((number - first) / second))
        return min(max((number - first) / (second - first), 0.0), 1.0)

    def value(unit: float) -> float:
        inside = min(max(unit, 1e-9), 1 - 1e-9)
        number = first + second * ndtri(inside) if normal else first + (second - first) * inside
        number = math.exp(number) if logarithmic else number
        return float(round(number / quantum) * quantum if quantum else number)

    return unit, value


class Roles:
    """Rows with one coordinate for all hyperparameters that have the same role in some exit.

    Hyperparameters at the same keys of the nested dicts (such as ``classifier.l2_reg``) have the
    same role, and at most one of them is active: a trial then informs all exits.

    Attributes:
        names: keys of each role, joined by dots; the choice of the exit is at the root, "".
        n_options: ``(n_roles,)``; 0 for a number.
    """

    def __init__(self, space: UnitSpace, graph: Node) -> None:
        self._space = space
        paths = role_paths(graph)
        kinds = [(paths[column.label], column.n_options) for column in space.columns]
        found = sorted(set(kinds))
        self._role = np.array([found.index(kind) for kind in kinds])
        self.names = [path for path, _ in found]
        self.n_options = np.array([n_options for _, n_options in found])
        self._together = np.argsort(self._role, kind="stable")
        self._starts = np.searchsorted(self._role[self._together], np.arange(len(found)))

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Roles ``(n, n_roles)`` of rows ``(n, n_columns)``; NaN where inactive."""
        return np.fmax.reduceat(rows[:, self._together], self._starts, axis=1)

    def to_rows(self, roles: np.ndarray) -> np.ndarray:
        """Rows of complete roles; inactive values are dropped."""
        return self._space.prune(roles[:, self._role])

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Complete roles from the prior."""
        numbers = rng.random((count, len(self.n_options)))
        return np.where(self.n_options > 0, np.floor(numbers * self.n_options), numbers)


def role_paths(graph: Node) -> dict[str, str]:
    """The keys of each hyperparameter's value in the nested dicts, joined by dots, by label."""
    found: dict[str, str] = {}

    def visit(node: Node, path: tuple[str, ...]) -> None:
        if node.name == "hyperopt_param":
            found[node.pos_args[0].obj] = ".".join(path)
        elif not isinstance(node, Literal):
            # options of a choice, unlike members of a list, stand where the choice stands
            listed = node.name == "pos_args"
            for number, part in enumerate(node.pos_args):
                visit(part, (*path, str(number)) if listed else path)
            for key, part in node.named_args:
                visit(part, (*path, key))

    visit(as_apply(graph), ())
    return found
