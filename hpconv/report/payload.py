"""All that a page shows of a search, as plain JSON; while it runs, and when it is over."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpconv import experiments, trials
from hpconv.datasets.data_file import DataFile
from hpconv.files import read_json
from hpconv.report import hyperparameter_rows, random_search, trial_rows
from hpconv.report.best import best
from hpconv.report.importance import importance
from hpconv.status import snapshot
from hpconv.trials import Trial

Payload = dict[str, Any]
Judge = Callable[[list[Trial], list[Payload]], Payload | None]


def collect(folder: Path, judge: Judge = importance) -> Payload:
    """What there is to show of an experiment; what is not there yet is None.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        judge: tells the importance of hyperparameters, which takes some seconds to find out.

    Raises:
        UserError: when no trial has ended.
    """
    all_trials = trials.read(experiments.history(folder))
    rows = trial_rows.rows(all_trials)
    final = _there(folder / "final_evaluation.json")
    hyperparameters = hyperparameter_rows.rows(all_trials)
    judged = judge(all_trials, hyperparameters)
    return _plain(
        {
            "experiment": folder.resolve().name,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": snapshot.read(folder),
            "data": _data(folder / "data.h5"),
            "trials": rows,
            "thinned": len(all_trials) - sum("values" in row for row in rows),
            "hyperparameters": _sorted(hyperparameters, judged),
            "convergence": convergence(all_trials, folder),
            "importance": judged,
            "failures": trial_rows.failures(all_trials),
            "best": best(all_trials, folder, final),
            "final": None if final is None else _final(final),
        }
    )


def convergence(all_trials: list[Trial], folder: Path) -> Payload:
    """The best error so far by tid, told where it gets better and at the end; random search's."""
    tids: list[int] = []
    lowest: list[float] = []
    for trial in all_trials:
        found = trials.ensemble_error_or_none(trial)
        if found is not None and (not lowest or found < lowest[-1]):
            tids.append(trial["tid"])
            lowest.append(found)
    if tids and all_trials[-1]["tid"] > tids[-1]:
        tids.append(all_trials[-1]["tid"])
        lowest.append(lowest[-1])
    ended, baseline = _there(folder / "search.json"), _there(folder / "baseline.json")
    drawn = random_search.random_trials(all_trials, ended and ended["search"])
    return {
        "tids": tids,
        "best": lowest,
        "band": random_search.band(drawn, len(all_trials)),
        "baseline": baseline and baseline["validation_error"],
    }


def _data(path: Path) -> Payload | None:
    """What the data set is, and how many examples each part has."""
    if not path.exists():
        return None
    with DataFile(path) as data:
        return {
            "name": data.name,
            "checksum": data.checksum,
            "examples": "pairs of images" if data.has_pairs else "images",
            "train": len(data.splits.train),
            "validation": len(data.splits.validation),
            "test": len(data.splits.folds[0].test),
            "folds": len(data.splits.folds),
        }


def _sorted(rows: list[Payload], judged: Payload | None) -> list[Payload]:
    """The most important first, then those that are active most often."""
    judged_rows = [] if judged is None else judged["rows"]
    places = {row["label"]: place for place, row in enumerate(judged_rows)}
    return sorted(rows, key=lambda row: (places.get(row["label"], len(rows)), -row["n"]))


def _final(found: Payload) -> Payload:
    entries = {entry["rank"]: entry for entry in found["winners"]}
    singles = [entry for rank, entry in entries.items() if isinstance(rank, int)]
    return {
        "winner": _entry(singles[0]) if singles else None,
        "average": _entry(entries.get("average")),
        "ensemble": _entry(entries.get("ensemble")),
        "raw_pixels": _entry(found["raw_pixels"]),
        "missing": found["missing"],
        "baseline_method": found["raw_pixels"]["method"],
    }


def _entry(found: Payload | None) -> Payload | None:
    """An evaluation without its long parts."""
    keys = ("test_error", "interval", "seed_deviation", "validation_error", "tid", "members")
    return found and {key: found.get(key) for key in keys}


def _there(path: Path) -> Payload | None:
    return read_json(path) if path.exists() else None


def _plain(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
