"""Trials as a table: ``trials.csv``, ``best_trials.tsv``."""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from hpconv.files import replacing
from hpconv.trials.document import Trial, continues, hyperparameters
from hpconv.trials.outcome import failure


class TableRow(TypedDict):
    """A trial without its hyperparameters, as in ``trials.csv``."""

    tid: int
    status: str  # ok, fail, or stopped at a rung
    loss: float | None
    own_error: float | None
    ensemble_error: float | None
    stopped_at: float | None  # share of the examples at which a trial was stopped
    continues: int | None  # tid of the trial whose ensemble this one extends
    kind: str | None  # of the failure
    reason: str | None
    seconds: float  # of evaluation
    features: str  # feature shape, such as 16x4x4
    worker: str | None
    finished: datetime | str | None


COLUMNS = tuple(TableRow.__annotations__)


def table_row(trial: Trial) -> TableRow:
    """The columns of a trial in ``trials.csv`` that are not hyperparameters."""
    result, failed = trial["result"], failure(trial)
    stopped_at = result.get("stopped_at")
    return {
        "tid": trial["tid"],
        "status": "fail" if failed else "stopped" if stopped_at else result["status"],
        "loss": result.get("loss"),
        "own_error": result.get("own_error"),
        "ensemble_error": result.get("ensemble_error"),
        "stopped_at": stopped_at,
        "continues": continues(trial),
        "kind": failed and failed["kind"],
        "reason": failed and failed["reason"],
        "seconds": round(sum(result.get("seconds", {}).values()), 3),
        "features": "x".join(map(str, result.get("feature_shape", []))),
        "worker": trial.get("owner"),
        "finished": trial.get("refresh_time"),
    }


def write_csv(
    trials: list[Trial],
    path: Path,
    *,
    dialect: str = "excel",
    columns: Mapping[int, dict[str, float]] | None = None,
) -> None:
    """Write a row for each trial: the columns of ``TableRow``, then all hyperparameters.

    Args:
        columns: values of additional columns, by tid.
    """
    columns = columns or {}
    names = dict.fromkeys(name for values in columns.values() for name in values)
    labels = sorted({label for trial in trials for label in hyperparameters(trial)})
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *names, *labels], dialect=dialect)
        writer.writeheader()
        writer.writerows(
            {**table_row(trial), **columns.get(trial["tid"], {}), **hyperparameters(trial)}
            for trial in trials
        )
