"""The hyperparameters of a search space as a table: what each is drawn from, and when."""

from typing import Any

from hyperopt.pyll import as_apply
from hyperopt.pyll_utils import expr_to_config

from hpconv.model.space import Node, search_space
from hpconv.trials import Trial


def table(space: Node) -> list[dict[str, Any]]:
    """Every hyperparameter of a space.

    Returns:
        for each ``label``: ``dist`` with ``args`` and ``kw`` as hyperopt calls it, and
        ``condition``, the choices under which it is active: ``{label: [indices]}``, all of
        which must hold; empty for what is always active.
    """
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


def space_of(history: list[Trial]) -> Node | None:
    """The space that a search drew from; None where no trial says so, as in old histories."""
    for trial in history:
        if model := trial["misc"].get("model"):
            return search_space(model["output_sizes"], model["max_layer_sizes"])
    return None


def _n_options(node: Any) -> int:
    return node.pos_args[0].obj if node.name == "randint" else 0


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _merge(paths: set[tuple[Any, ...]], n_options: dict[str, int]) -> dict[str, list[int]]:
    """Paths of choices that lead to a hyperparameter, as one set of options for each choice.

    A choice of which every option leads there is no condition.
    """
    options: dict[str, set[int]] = {}
    for path in paths:
        for condition in path:
            options.setdefault(condition.name, set()).add(condition.val)
    return {
        label: sorted(values) for label, values in options.items() if len(values) < n_options[label]
    }
