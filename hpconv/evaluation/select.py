"""Which trials win: those with the least validation error, no pipeline twice."""

from pathlib import Path
from typing import Any

from hpconv.errors import UserError
from hpconv.files import write_json
from hpconv.model.space import N_SEEDS
from hpconv.trials import Trial, ensemble_error, hyperparameters, members, succeeded, write_csv

CLASSIFIER = ("_l2_reg", "_varthresh", "_remove_std0", "_divrowl2")  # ends of labels


def write(history: list[Trial], count: int, table: Path, folder: Path) -> None:
    """Trials that succeeded as a table, the best first; each winner as ``folder/RANK/trial.json``.

    Raises:
        UserError: when there are fewer winners than count.
    """
    chosen = choose(history, count)
    write_csv(succeeded(history), table, dialect="excel-tab")
    for rank, trial in enumerate(chosen, start=1):
        write_json(folder / str(rank) / "trial.json", trial)


def choose(history: list[Trial], count: int) -> list[Trial]:
    """The best trials of different pipelines, by validation error alone; of equals, the oldest.

    Trials are of the same pipeline when only their classifiers' hyperparameters differ.

    Raises:
        UserError: when there are fewer than count.
    """
    ranked = succeeded(history)
    different: dict[str, Trial] = {}
    for trial in ranked:
        different.setdefault(_pipeline(trial), trial)
    if len(different) < count:
        raise UserError(
            f"config key 'evaluation.winners' is {count}, but the {len(ranked)} of {len(history)} "
            f"trials that succeeded have {len(different)} different pipelines: write "
            f"{len(different)} or less, or raise 'search.max_evals'"
        )
    return list(different.values())[:count]


def with_new_random_filters(trial: Trial, seed: int) -> Trial:
    """The same trial with other random filters: the choices of its seeds moved on by seed.

    Its trace is left out: that is of its own filters.
    """
    vals = {
        label: [(value + seed) % N_SEEDS for value in values]
        if label.endswith("_rseed")
        else values
        for label, values in trial["misc"]["vals"].items()
    }
    result = trial["result"].copy()
    result.pop("trace", None)
    return {**trial, "misc": {**trial["misc"], "vals": vals}, "result": result}


def _pipeline(trial: Trial) -> str:
    found: dict[str, Any] = hyperparameters(trial)
    return repr(sorted(item for item in found.items() if not item[0].endswith(CLASSIFIER)))


def best_ensemble(trials: list[Trial]) -> list[Trial]:
    """The members, oldest first, of the ensemble with the lowest validation error.

    Raises:
        UserError: when no trial succeeded.
    """
    by_tid = {trial["tid"]: trial for trial in trials}
    errors = [(ensemble_error(t), t["tid"]) for t in trials if "loss" in t["result"]]
    if not errors:
        raise UserError(f"none of {len(trials)} trials succeeded: raise 'search.max_evals'")
    _, tid = min(errors)
    return [by_tid[each] for each in (*members(by_tid[tid]), tid)]
