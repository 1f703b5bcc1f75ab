"""Trials as rows of a page: all that a chart needs of them, few enough to stay small."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import numpy as np

from hpconv import trials
from hpconv.processes import host_of
from hpconv.trials import Trial, as_utc, evaluation_seconds

MAX_ROWS, MAX_VALUES = 3000, 1000  # trials on a page at most, and those of them with values
DIGITS = 6  # significant ones of a value that is drawn, not computed with
REASON_LENGTH = 200  # characters of a failure's reason; an example has them all

Row = dict[str, Any]


def chosen(history: list[Trial], count: int) -> set[int]:
    """The tids of at most count trials: half of them the best, half spread evenly over all."""
    if len(history) <= count:
        return {trial["tid"] for trial in history}
    errors = [(trials.ensemble_error_or_none(trial), trial["tid"]) for trial in history]
    ranked = sorted((error, tid) for error, tid in errors if error is not None)
    kept = {tid for _, tid in ranked[: count // 2]}
    others = [trial["tid"] for trial in history if trial["tid"] not in kept]
    places = np.linspace(0, len(others) - 1, count - len(kept)).astype(int)
    return kept | {others[place] for place in places}


def rows(history: list[Trial]) -> list[Row]:
    """Trials by tid, as many as a page can show; those with ``values`` are fewer still."""
    shown = chosen(history, MAX_ROWS)
    kept = [trial for trial in history if trial["tid"] in shown]
    detailed = chosen(kept, MAX_VALUES)
    return [
        row(trial) | ({"values": values(trial)} if trial["tid"] in detailed else {})
        for trial in kept
    ]


def row(trial: Trial) -> Row:
    """A trial without its hyperparameters; times in UTC (ISO 8601), seconds of evaluation."""
    told, worker = trials.table_row(trial), trial.get("owner")
    return {
        "tid": trial["tid"],
        "status": "error" if "error" in trial else told["status"],
        "error": trials.ensemble_error_or_none(trial),
        "kind": told["kind"],
        "reason": told["reason"] and told["reason"][:REASON_LENGTH],
        "seconds": seconds(trial),
        "features": told["features"],
        "worker": worker,
        "host": host_of(worker) if worker else None,
        "started": _iso(trial.get("book_time")),
        "finished": _iso(trial.get("refresh_time")),
        "source": trial["misc"].get("source"),
        "continues": told["continues"],
    }


def seconds(trial: Trial) -> float:
    """How long its evaluation took."""
    return round(evaluation_seconds(trial), 3)


def values(trial: Trial) -> dict[str, float]:
    """Its active hyperparameters; whole numbers as such, so that they are short."""
    found = trials.hyperparameters(trial)
    return {label: _short(value) for label, value in found.items()}


def failures(history: list[Trial]) -> list[dict[str, Any]]:
    """Kinds of failures, the most frequent first: how many, their seconds, the first example."""
    by_kind: dict[str, list[Trial]] = defaultdict(list)
    examples: dict[str, trials.Failure] = {}
    for trial in history:
        if failed := trials.failure(trial):
            by_kind[failed["kind"]].append(trial)
            examples.setdefault(failed["kind"], failed)
    found = [
        {
            "kind": kind,
            "count": len(failed),
            "seconds": round(sum(map(seconds, failed)), 3),
            "tid": failed[0]["tid"],
            "example": examples[kind]["reason"],
        }
        for kind, failed in by_kind.items()
    ]
    return sorted(found, key=lambda each: -each["count"])


def _iso(time: datetime | str | None) -> str | None:
    """A time of an export, which is in UTC, with its zone."""
    found = as_utc(time)
    return None if found is None else found.isoformat(timespec="milliseconds")


def _short(value: float) -> float:
    number = float(f"{value:.{DIGITS}g}")
    return int(number) if number.is_integer() else number
