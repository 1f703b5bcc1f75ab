"""The payload of the page: everything it shows of a running or finished search, as plain JSON."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from hpconv import trials
from hpconv.datasets.data_file import DataFile
from hpconv.evaluation.records import (
    Baseline,
    FinalEntry,
    FinalEvaluation,
    MissingWinner,
    read_baseline,
    read_final,
)
from hpconv.report import hyperparameter_rows, random_search, trial_rows
from hpconv.report.best import BestTrial, best
from hpconv.report.hyperparameter_rows import HyperparameterRow
from hpconv.report.importance import Importance, importance
from hpconv.status import snapshot
from hpconv.status.outlook import outlook
from hpconv.trials import Trial

ImportanceFunction = Callable[[list[Trial], list[HyperparameterRow]], Importance | None]


class DataFacts(TypedDict):
    """The data set, and the number of examples in each part."""

    name: str
    checksum: str
    examples: str  # "images" or "pairs of images"
    train: int
    validation: int
    test: int  # of the first fold
    folds: int


class Convergence(TypedDict):
    """The lowest validation error so far: at each improvement and at the last trial."""

    tids: list[int]
    best: list[float]
    band: random_search.Band | None
    baseline: float | None  # validation error on raw pixels


class TestResult(TypedDict):
    """An entry of the final evaluation without its long parts."""

    test_error: float
    interval: list[float]  # 95 % confidence interval of the test error
    seed_deviation: float | None
    validation_error: float | None
    tid: int | None
    members: list[int] | None


class FinalResults(TypedDict):
    """The final evaluation."""

    winner: TestResult | None  # of the first rank
    average: TestResult | None  # the winners together
    ensemble: TestResult | None
    variants: dict[str, dict[str, TestResult]]  # by name; winner of the first rank, average
    raw_pixels: TestResult
    missing: list[MissingWinner]
    baseline_method: str


class Payload(TypedDict):
    """What the page shows; None for what does not exist yet."""

    experiment: str
    written: str  # UTC
    status: dict[str, Any] | None  # as live/status.json
    data: DataFacts | None
    trials: list[trial_rows.TrialRow]
    thinned: int  # number of trials without hyperparameters
    redrawn: int  # number of suggestions that were refused and drawn again
    stopped: int  # number of trials that were stopped at a rung
    spent: dict[str, float]  # worker time in seconds, as ``trials.seconds_spent``
    hyperparameters: list[HyperparameterRow]  # the most important first
    convergence: Convergence
    outlook: str | None  # whether more trials are worth their cost
    importance: Importance | None
    failures: list[trial_rows.FailureGroup]
    best: list[BestTrial]
    final: FinalResults | None


def collect(
    folder: Path, history: list[Trial], importance_of: ImportanceFunction = importance
) -> Payload:
    """The payload of an experiment.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        importance_of: computes the importance of hyperparameters, which takes some seconds.
    """
    rows = trial_rows.rows(history)
    final = read_final(folder)
    hyperparameters = hyperparameter_rows.rows(history)
    found = importance_of(history, hyperparameters)
    data = _data(folder / "data.h5")
    prospects = outlook(history, data["validation"]) if data else None
    payload: Payload = {
        "experiment": folder.resolve().name,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": status(folder),
        "data": data,
        "trials": rows,
        "thinned": len(history) - sum("values" in row for row in rows),
        "redrawn": sum(trial["misc"].get("redrawn", 0) for trial in history),
        "stopped": sum("stopped_at" in trial["result"] for trial in history),
        "spent": _spent(history),
        "hyperparameters": _by_importance(hyperparameters, found),
        "convergence": convergence(history, folder),
        "outlook": prospects.sentence if prospects else None,
        "importance": found,
        "failures": trial_rows.failures(history),
        "best": best(history, folder, final),
        "final": None if final is None else _final(final),
    }
    return _finite(payload)


def status(folder: Path) -> dict[str, Any] | None:
    """The status of an experiment without its age, which differs at each call."""
    found = snapshot.read(folder)
    return None if found is None else replace(found, age_seconds=None).to_json()


def convergence(history: list[Trial], folder: Path) -> Convergence:
    """The progress of a search, with that expected of random search."""
    tids: list[int] = []
    lowest: list[float] = []
    for trial in history:
        error = trials.ensemble_error_or_none(trial)
        if error is not None and (not lowest or error < lowest[-1]):
            tids.append(trial["tid"])
            lowest.append(error)
    if tids and history[-1]["tid"] > tids[-1]:
        tids.append(history[-1]["tid"])
        lowest.append(lowest[-1])
    ended, baseline = folder / "search.json", folder / "baseline.json"
    summary = trials.read_summary(ended) if ended.exists() else None
    drawn = random_search.random_trials(history, summary and summary["search"])
    return {
        "tids": tids,
        "best": lowest,
        "band": random_search.band(drawn, len(history)),
        "baseline": read_baseline(baseline)["validation_error"] if baseline.exists() else None,
    }


def _spent(history: list[Trial]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for trial in history:
        total.update(trials.seconds_spent(trial))
    return {what: round(seconds, 3) for what, seconds in total.most_common()}


def _data(path: Path) -> DataFacts | None:
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


def _by_importance(
    rows: list[HyperparameterRow], found: Importance | None
) -> list[HyperparameterRow]:
    """The most important first, then those that are active in the most trials."""
    important = found["rows"] if found else []
    places = {row["label"]: place for place, row in enumerate(important)}
    return sorted(rows, key=lambda row: (places.get(row["label"], len(rows)), -row["n"]))


def _final(final: FinalEvaluation) -> FinalResults:
    found, variants = _results(final["winners"]), final.get("variants", {})
    return {
        "winner": found.get("winner"),
        "average": found.get("average"),
        "ensemble": found.get("ensemble"),
        "variants": {name: _results(entries) for name, entries in variants.items()},
        "raw_pixels": _result(final["raw_pixels"]),
        "missing": final["missing"],
        "baseline_method": final["raw_pixels"]["method"],
    }


def _results(entries: list[FinalEntry]) -> dict[str, TestResult]:
    """Those of the winner of the first rank, the average and the ensemble, if they exist."""
    found: dict[str, TestResult] = {}
    for entry in entries:
        name = entry["rank"] if isinstance(entry["rank"], str) else "winner"
        found.setdefault(name, _result(entry))
    return found


def _result(entry: FinalEntry | Baseline) -> TestResult:
    optional: dict[str, Any] = {**entry}
    return {
        "test_error": entry["test_error"],
        "interval": entry["interval"],
        "seed_deviation": entry["seed_deviation"],
        "validation_error": optional.get("validation_error"),
        "tid": optional.get("tid"),
        "members": optional.get("members"),
    }


def _finite(value: Any) -> Any:
    """The same value with None for infinity and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
