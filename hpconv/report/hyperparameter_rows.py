"""What a page says of each hyperparameter: its distribution, condition and options."""

from typing import Any

from hyperopt.pyll import Literal, as_apply, dfs

from hpconv.model.space import Node
from hpconv.model.space_table import space_of, table
from hpconv.trials import Trial, hyperparameters

LOG = ("loguniform", "qloguniform", "lognormal", "qlognormal")

Row = dict[str, Any]


def rows(history: list[Trial]) -> list[Row]:
    """Hyperparameters that are active in some trial, in the order of the space.

    Returns:
        for each ``label``: ``dist``, ``log`` (whether differences count by factors), ``choice``,
        ``condition`` as in ``hyperparameters.table``, ``options`` (names of a choice's, by index)
        and ``n``, the number of trials in which it is active.
    """
    counts: dict[str, int] = {}
    for trial in history:
        for label in hyperparameters(trial):
            counts[label] = counts.get(label, 0) + 1
    space = space_of(history)
    known = {} if space is None else {entry["label"]: entry for entry in table(space)}
    names = {} if space is None else options(space)
    order = {label: place for place, label in enumerate(known)}
    return [
        _row(label, known.get(label, {}), names.get(label)) | {"n": counts[label]}
        for label in sorted(counts, key=lambda label: order.get(label, len(order)))
    ]


def _row(label: str, entry: Row, names: list[str] | None) -> Row:
    dist = entry.get("dist")
    return {
        "label": label,
        "dist": dist,
        "log": dist in LOG,
        "choice": dist == "randint",
        "condition": entry.get("condition", {}),
        "options": names,
    }


def options(space: Node) -> dict[str, list[str]]:
    """The names of the options of every choice, by index."""
    found = {}
    for node in dfs(as_apply(space)):
        if node.name == "switch":
            chooser, *branches = node.pos_args
            found[chooser.pos_args[0].obj] = [_name(branch) for branch in branches]
    return found


def _name(option: Any) -> str:
    """What is chosen: a value, a kind, a pipeline's end and depth, or whether there is any."""
    if isinstance(option, Literal):
        return "off" if option.obj is None else str(option.obj)
    if option.name == "float":
        option = option.pos_args[0]
    if option.name == "hyperopt_param":
        return str(option.pos_args[0].obj)
    parts = dict(option.named_args)
    if "pool" in parts:
        return f"{_name(parts['pool'])} at depth {len(parts['stack'].pos_args)}"
    if "kind" in parts:
        return str(parts["kind"].obj)
    drawn = any(node.name == "hyperopt_param" for node in dfs(option))
    return "on" if drawn else "off"
