"""Hyperparameters as rows of the page's payload: distribution, condition, options."""

from collections import Counter
from typing import Any, TypedDict

from hyperopt.pyll import Literal, as_apply, dfs

from hpconv.model.space import Node
from hpconv.model.space_table import Hyperparameter, space_of, table
from hpconv.trials import Trial, hyperparameters

LOG = ("loguniform", "qloguniform", "lognormal", "qlognormal")


class HyperparameterRow(TypedDict):
    """A hyperparameter in the payload."""

    label: str
    dist: str | None  # hyperopt's name; None in a history that does not record its space
    log: bool  # whether the distribution is on a log scale
    choice: bool
    condition: dict[str, list[int]]  # as in ``model.space_table.Hyperparameter``
    options: list[str] | None  # names of a choice's options, by index
    n: int  # number of trials in which it is active


def rows(history: list[Trial]) -> list[HyperparameterRow]:
    """Hyperparameters that are active in at least one trial, in the order of the space."""
    counts = Counter(label for trial in history for label in hyperparameters(trial))
    space = space_of(history)
    entries = {} if space is None else {entry["label"]: entry for entry in table(space)}
    names = {} if space is None else options(space)
    labels = [label for label in entries if label in counts]
    labels += sorted(counts.keys() - entries.keys())
    return [_row(label, entries.get(label), names.get(label), counts[label]) for label in labels]


def _row(
    label: str, entry: Hyperparameter | None, options: list[str] | None, count: int
) -> HyperparameterRow:
    dist = entry["dist"] if entry else None
    return {
        "label": label,
        "dist": dist,
        "log": dist in LOG,
        "choice": dist == "randint",
        "condition": entry["condition"] if entry else {},
        "options": options,
        "n": count,
    }


def options(space: Node) -> dict[str, list[str]]:
    """The names of the options of each choice, by label."""
    found = {}
    for node in dfs(as_apply(space)):
        if node.name == "switch":
            chooser, *branches = node.pos_args
            found[chooser.pos_args[0].obj] = [_name(branch) for branch in branches]
    return found


def _name(option: Any) -> str:
    """An option by its value, its kind, its pooling and depth, or as on or off."""
    if isinstance(option, Literal):
        return "off" if option.obj is None else str(option.obj)
    if option.name == "float":
        option = option.pos_args[0]
    if option.name == "hyperopt_param":
        return str(option.pos_args[0].obj)
    parts = dict(option.named_args)
    if "pool" in parts:
        return f"{_name(parts['pool'])} depth {len(parts['stack'].pos_args)}"
    if "kind" in parts:
        return str(parts["kind"].obj)
    drawn = any(node.name == "hyperopt_param" for node in dfs(option))
    return "on" if drawn else "off"
