"""Trials as rows of the page's payload, thinned so that the page stays small."""

from collections import defaultdict
from datetime import datetime
from typing import NotRequired, TypedDict

import numpy as np

from hpconv import trials
from hpconv.processes import host_of
from hpconv.trials import Trial, as_utc, evaluation_seconds

MAX_ROWS, MAX_VALUES = 3000, 1000  # trials in a payload, and those with hyperparameters
DIGITS = 6  # significant digits of hyperparameters: they are only drawn
REASON_LENGTH = 200  # characters of a failure's reason


class TrialRow(TypedDict):
    """A trial in the payload; times are in UTC (ISO 8601)."""

    tid: int
    status: str
    error: float | None  # validation error, with the ensemble that the trial extends
    kind: str | None  # of the failure, or ``stopped``
    reason: str | None  # of the failure, or where the trial was stopped
    seconds: float  # of evaluation
    features: str  # feature shape, such as 16x4x4
    worker: str | None
    host: str | None
    started: str | None
    finished: str | None
    source: str | None  # how the hyperparameters were drawn
    continues: int | None
    values: NotRequired[dict[str, float]]  # active hyperparameters


class FailureGroup(TypedDict):
    """All failures of one kind."""

    kind: str
    count: int
    seconds: float  # of their evaluations
    tid: int  # of the first
    example: str  # its reason


def thinned(history: list[Trial], count: int) -> set[int]:
    """The tids of at most count trials: half of them the best, half spread evenly over the rest."""
    if len(history) <= count:
        return {trial["tid"] for trial in history}
    errors = [(trials.ensemble_error_or_none(trial), trial["tid"]) for trial in history]
    ranked = sorted((error, tid) for error, tid in errors if error is not None)
    kept = {tid for _, tid in ranked[: count // 2]}
    others = [trial["tid"] for trial in history if trial["tid"] not in kept]
    places = np.linspace(0, len(others) - 1, count - len(kept)).astype(int)
    return kept | {others[place] for place in places}


def rows(history: list[Trial]) -> list[TrialRow]:
    """At most MAX_ROWS trials by tid, MAX_VALUES of them with ``values``."""
    shown = thinned(history, MAX_ROWS)
    kept = [trial for trial in history if trial["tid"] in shown]
    detailed = thinned(kept, MAX_VALUES)
    return [_row(trial, with_values=trial["tid"] in detailed) for trial in kept]


def seconds(trial: Trial) -> float:
    """The duration of a trial's evaluation, rounded."""
    return round(evaluation_seconds(trial), 3)


def failures(history: list[Trial]) -> list[FailureGroup]:
    """Failures by kind, the most frequent first."""
    by_kind: dict[str, list[Trial]] = defaultdict(list)
    examples: dict[str, str] = {}
    for trial in history:
        if failure := trials.failure(trial):
            by_kind[failure["kind"]].append(trial)
            examples.setdefault(failure["kind"], failure["reason"])
    groups: list[FailureGroup] = [
        {
            "kind": kind,
            "count": len(failed),
            "seconds": round(sum(map(seconds, failed)), 3),
            "tid": failed[0]["tid"],
            "example": examples[kind],
        }
        for kind, failed in by_kind.items()
    ]
    return sorted(groups, key=lambda group: -group["count"])


def _row(trial: Trial, with_values: bool) -> TrialRow:
    columns, worker = trials.table_row(trial), trial.get("owner")
    row: TrialRow = {
        "tid": trial["tid"],
        "status": "error" if "error" in trial else columns["status"],
        "error": trials.ensemble_error_or_none(trial),
        "kind": columns["kind"] or ("stopped" if columns["stopped_at"] else None),
        "reason": _reason(columns),
        "seconds": seconds(trial),
        "features": columns["features"],
        "worker": worker,
        "host": host_of(worker) if worker else None,
        "started": _iso(trial.get("book_time")),
        "finished": _iso(trial.get("refresh_time")),
        "source": trial["misc"].get("source"),
        "continues": columns["continues"],
    }
    if with_values:
        row["values"] = {k: _short(v) for k, v in trials.hyperparameters(trial).items()}
    return row


def _reason(columns: trials.TableRow) -> str | None:
    """Why a trial failed, or where it was stopped."""
    share, loss = columns["stopped_at"], columns["loss"]
    if share is not None and loss is not None:
        return f"with an error of {100 * loss:.2f} % on {share:.3g} of the examples"
    return columns["reason"] and columns["reason"][:REASON_LENGTH]


def _iso(time: datetime | str | None) -> str | None:
    """A trial's time with its zone."""
    utc = as_utc(time)
    return None if utc is None else utc.isoformat(timespec="milliseconds")


def _short(value: float) -> float:
    """A value of DIGITS digits; whole numbers as integers, whose text is shorter."""
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
