"""The best trials of another search as the first candidates of this one."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hpconv import trials
from hpconv.config import ModelSettings
from hpconv.errors import UserError
from hpconv.model.space import search_space
from hpconv.model.space_table import Hyperparameter, table
from hpconv.trials import Assignment, Trial, best_per_pipeline, hyperparameters

IMAGE_SIZE = "warp_osize"  # label of the choice whose options are a setting
BOUNDS = ("low", "high", "q")  # arguments of a distribution, in hyperopt's order


def read(path: Path) -> list[Trial]:
    """The best trial of each pipeline in a ``trials.jsonl``, lowest validation error first.

    Args:
        path: value of ``search.start_from``.

    Raises:
        UserError: when the file cannot be read, or no trial in it succeeded.
    """
    found: list[Trial] = []
    try:
        found = best_per_pipeline(trials.read_summaries(path.expanduser()))
        reason = "has no trial that succeeded"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except UserError as error:
        reason = f"is not a file of trials ({error})"
    if not found:
        raise UserError(
            f"config key 'search.start_from' is '{path}', which {reason}: write the path of a "
            "trials.jsonl, such as results/<experiment>/trials.jsonl, or null"
        )
    return found


def first_candidates(
    history: list[Trial],
    count: int,
    *,
    model: ModelSettings,
    is_feasible: Callable[[Assignment], bool],
) -> tuple[list[Assignment], Counter[str]]:
    """The hyperparameters of the first trials of a history that this search can evaluate.

    Args:
        history: of a search with possibly different settings, best first.
        count: maximum number of trials to take.
        model: of this search.
        is_feasible: whether a candidate can be built and evaluated in this search.

    Returns:
        for each trial taken, label to value (choices by index); and the number of better trials
        left out, by reason.
    """
    space = table(search_space(model.output_sizes, model.max_layer_sizes))
    taken: list[Assignment] = []
    left_out: Counter[str] = Counter()
    for trial in history:
        if len(taken) == count:
            break
        values = _with_index_of_size(trial, model.output_sizes)
        if (label := _misfit(values, space)) is not None:
            left_out[f"{label} outside the search space"] += 1
        elif not is_feasible(values):
            left_out["cannot be built or needs too much memory"] += 1
        else:
            taken.append(values)
    return taken, left_out


def _with_index_of_size(trial: Trial, sizes: Sequence[int]) -> Assignment:
    """Hyperparameters with the image size as an index into sizes; left out if not in sizes."""
    values = hyperparameters(trial)
    options = dict(enumerate(trial["misc"].get("model", {}).get("output_sizes", ())))
    size = options.get(int(values.pop(IMAGE_SIZE, -1)))
    return values | ({IMAGE_SIZE: sizes.index(size)} if size in sizes else {})


def _misfit(values: Assignment, space: list[Hyperparameter]) -> str | None:
    """A label whose value is invalid, missing or inactive; None if there is none."""
    active = [
        entry
        for entry in space
        if all(values.get(choice) in options for choice, options in entry["condition"].items())
    ]
    for entry in active:
        if entry["label"] not in values or not _is_valid(values[entry["label"]], entry):
            return entry["label"]
    return next(iter(values.keys() - {entry["label"] for entry in active}), None)


def _is_valid(value: float, entry: Hyperparameter) -> bool:
    """Whether a value can be drawn from a hyperparameter's distribution."""
    dist = entry["dist"]
    if dist == "randint":
        return value in range(*entry["args"])
    if not dist.endswith("uniform"):
        return True  # a normal distribution has no bounds
    bounds = dict(zip(BOUNDS, entry["args"], strict=False)) | entry["kw"]
    low, high = (np.exp(b) if "log" in dist else b for b in (bounds["low"], bounds["high"]))
    q = bounds.get("q")
    return bool(low <= value <= high if q is None else _in_steps(value, low, high, q))


def _in_steps(value: float, low: float, high: float, q: float) -> bool:
    return value % q == 0 and round(low / q) <= value / q <= round(high / q)
