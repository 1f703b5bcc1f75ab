"""Selection of the winners: the lowest errors, each pipeline once."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hpconv.errors import UserError
from hpconv.evaluation import variants
from hpconv.evaluation.records import Recheck
from hpconv.files import write_json
from hpconv.model.space import with_added_seed
from hpconv.trials import (
    Trial,
    best_per_pipeline,
    ensemble_error,
    hyperparameters,
    members,
    read,
    read_summaries,
    succeeded,
    write_csv,
)


def write(
    history: Path,
    count: int,
    rechecks: Sequence[Recheck],
    *,
    table: Path,
    folder: Path,
    max_n_features: int | None = None,
    flips: bool = False,
) -> None:
    """Write a table of all trials that succeeded, best first, and the winners.

    These are ``folder/RANK/trial.json``, and ``folder/RANK/VARIANT/trial.json`` for their variants.

    Args:
        history: ``trials.jsonl``.
        max_n_features, flips: which variants there are, as ``variants.of``.

    Raises:
        UserError: when there are fewer winners than count.
    """
    by_tid = {recheck["tid"]: recheck for recheck in rechecks}
    found = read_summaries(history)
    winners = [trial["tid"] for trial in choose(found, count, by_tid)]
    columns = {
        tid: {"recheck_mean": recheck["mean"], "recheck_deviation": recheck["deviation"]}
        for tid, recheck in by_tid.items()
    }
    ranked = sorted(succeeded(found), key=partial(_recheck_mean, by_tid))
    write_csv(ranked, table, dialect="excel-tab", columns=columns)
    for trial in read(history, winners):
        rank = 1 + winners.index(trial["tid"])
        write_json(folder / str(rank) / "trial.json", trial)
        for name, variant in variants.of(trial, max_n_features, flips):
            write_json(folder / str(rank) / name / "trial.json", variant)


def choose(history: list[Trial], count: int, rechecks: Mapping[int, Recheck]) -> list[Trial]:
    """The winners: the candidates with the lowest errors.

    Rechecked candidates come first, by the mean of their errors.

    Args:
        rechecks: by tid; empty without rechecking.

    Raises:
        UserError: when there are fewer candidates than count.
    """
    found = best_per_pipeline(history)
    if not found:
        raise UserError(
            f"none of {len(history)} trials succeeded, so none can win: see the failures in the "
            "report, and raise 'search.max_evals' or change 'model'"
        )
    if len(found) < count:
        raise UserError(
            f"config key 'evaluation.winners' is {count}, but the {len(succeeded(history))} of "
            f"{len(history)} trials that succeeded have {len(found)} different pipelines: write "
            f"{len(found)} or less, or raise 'search.max_evals'"
        )
    return sorted(found, key=partial(_recheck_mean, rechecks))[:count]


def _recheck_mean(rechecks: Mapping[int, Recheck], trial: Trial) -> float:
    recheck = rechecks.get(trial["tid"])
    return math.inf if recheck is None else recheck["mean"]


def with_new_random_filters(trial: Trial, seed: int) -> Trial:
    """A copy of a trial with other random filters: seed is added to each of its filter seeds.

    The copy has no trace, because that describes the original filters.
    """
    changed = with_added_seed(hyperparameters(trial), seed)
    vals = {**trial["misc"]["vals"], **{label: [value] for label, value in changed.items()}}
    return variants.rebuilt(trial, {**trial["misc"], "vals": vals})


def best_ensemble(trials: list[Trial]) -> list[int]:
    """The tids, oldest first, of the ensemble with the lowest validation error.

    Raises:
        UserError: when no trial succeeded.
    """
    by_tid = {trial["tid"]: trial for trial in trials}
    errors = [(ensemble_error(trial), trial["tid"]) for trial in succeeded(trials)]
    if not errors:
        raise UserError(f"none of {len(trials)} trials succeeded: raise 'search.max_evals'")
    _, tid = min(errors)
    return [*members(by_tid[tid]), tid]
