"""Selection of the winners: the lowest validation errors, each pipeline once."""

from pathlib import Path

from hpconv.errors import UserError
from hpconv.files import write_json
from hpconv.model.space import N_SEEDS
from hpconv.trials import Trial, ensemble_error, hyperparameters, members, succeeded, write_csv

CLASSIFIER_LABELS = ("_l2_reg", "_varthresh", "_remove_std0", "_divrowl2")  # suffixes


def write(history: list[Trial], count: int, table: Path, folder: Path) -> None:
    """Write a table of all trials that succeeded, best first, and ``folder/RANK/trial.json``.

    Raises:
        UserError: when there are fewer winners than count.
    """
    chosen = choose(history, count)
    write_csv(succeeded(history), table, dialect="excel-tab")
    for rank, trial in enumerate(chosen, start=1):
        write_json(folder / str(rank) / "trial.json", trial)


def choose(history: list[Trial], count: int) -> list[Trial]:
    """The trials with the lowest validation errors, one for each pipeline; the older of equals.

    Trials have the same pipeline if only hyperparameters of the classifier differ.

    Raises:
        UserError: when there are fewer than count.
    """
    ranked = succeeded(history)
    by_pipeline: dict[str, Trial] = {}
    for trial in ranked:
        by_pipeline.setdefault(_pipeline(trial), trial)
    if len(by_pipeline) < count:
        raise UserError(
            f"config key 'evaluation.winners' is {count}, but the {len(ranked)} of {len(history)} "
            f"trials that succeeded have {len(by_pipeline)} different pipelines: write "
            f"{len(by_pipeline)} or less, or raise 'search.max_evals'"
        )
    return list(by_pipeline.values())[:count]


def with_new_random_filters(trial: Trial, seed: int) -> Trial:
    """A copy of a trial with other random filters: seed is added to each of its filter seeds.

    The copy has no trace, because that describes the original filters.
    """
    vals = dict(trial["misc"]["vals"])
    for label in vals:
        if label.endswith("_rseed"):
            vals[label] = [(value + seed) % N_SEEDS for value in vals[label]]
    result = trial["result"].copy()
    result.pop("trace", None)
    return {**trial, "misc": {**trial["misc"], "vals": vals}, "result": result}


def _pipeline(trial: Trial) -> str:
    """A key of the hyperparameters that are not of the classifier."""
    items = hyperparameters(trial).items()
    return repr(sorted(item for item in items if not item[0].endswith(CLASSIFIER_LABELS)))


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
