"""The hyperparameters of a search space as a table: distribution and condition of each."""

import hashlib
from typing import Any, TypedDict

from hyperopt.pyll import as_apply
from hyperopt.pyll_utils import expr_to_config

from hpconv.model.space import Node, search_space
from hpconv.trials import Trial


class Hyperparameter(TypedDict):
    """Distribution and condition of a hyperparameter.

    The condition maps labels of choices to the indices of their options. The hyperparameter is
    active if each of these choices has one of its listed options; always, if there are none.
    """

    label: str
    dist: str  # hyperopt's name of the distribution
    args: list[Any]  # positional arguments of the distribution, numbers
    kw: dict[str, Any]  # its named arguments
    condition: dict[str, list[int]]


def table(space: Node) -> list[Hyperparameter]:
    """Return all hyperparameters of a space, in its order."""
    found: dict[str, Any] = {}
    expr_to_config(as_apply(space), (), found)
    n_options = {label: _n_options(entry["node"]) for label, entry in found.items()}
    return [
        {
            "label": label,
            "dist": entry["node"].name,
            "args": [_plain(arg.obj) for arg in entry["node"].pos_args],
            "kw": {name: _plain(arg.obj) for name, arg in entry["node"].named_args},
            "condition": _merge(entry["conditions"], n_options),
        }
        for label, entry in found.items()
    ]


def digest(space: Node) -> str:
    """A hash of labels, distributions, conditions and options of a space, and of their order."""
    return hashlib.sha256(str(as_apply(space)).encode()).hexdigest()[:16]


def space_of(history: list[Trial]) -> Node | None:
    """Build the space of a search; None if no trial records it, as in old histories."""
    for trial in history:
        if model := trial["misc"].get("model"):
            return search_space(model["output_sizes"], model["max_layer_sizes"])
    return None


def _n_options(node: Any) -> int:
    return node.pos_args[0].obj if node.name == "randint" else 0


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _merge(paths: set[tuple[Any, ...]], n_options: dict[str, int]) -> dict[str, list[int]]:
    """Merge the paths to a hyperparameter into one condition.

    A choice is left out if all of its options lead to the hyperparameter.
    """
    options: dict[str, set[int]] = {}
    for path in paths:
        for condition in path:
            options.setdefault(condition.name, set()).add(condition.val)
    return {
        label: sorted(values) for label, values in options.items() if len(values) < n_options[label]
    }
