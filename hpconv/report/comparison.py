"""Experiments side by side: errors, cost, and the settings that differ."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from hpconv import experiments, trials
from hpconv.config import Config, load, to_json
from hpconv.datasets.data_file import DataFile
from hpconv.evaluation.records import FinalEntry, FinalEvaluation, read_final
from hpconv.evaluation.statistics import interval
from hpconv.model.space_table import space_of, table
from hpconv.trials import Trial, ensemble_error_or_none


class Error(TypedDict):
    """An error rate with its 95 % confidence interval."""

    error: float
    interval: list[float]


class Improvement(TypedDict):
    """A trial with a lower error than all before."""

    trials: int  # up to it
    processor_hours: float  # of them
    error: float


class Compared(TypedDict):
    """An experiment; None for what it does not have yet."""

    experiment: str
    data: str  # name
    checksum: str  # of the images and their parts
    trials: int
    succeeded: int
    processor_hours: float  # evaluation, times the threads of a worker
    hyperparameters: int | None  # of the space
    validation: Error | None  # of the best trial
    test: Error | None  # of the first winner
    together: Error | None  # test error of the winners together
    raw_pixels: Error | None  # test error
    convergence: list[Improvement]


class Comparison(TypedDict):
    """Experiments and what differs between them."""

    experiments: list[Compared]
    same_images: bool  # else errors cannot be compared
    after_trials: int  # number that all have
    validation_after_trials: list[float | None]  # lowest errors, by experiment
    after_hours: float  # processor hours that all have
    validation_after_hours: list[float | None]
    settings: dict[str, list[Any]]  # that differ: key to values, by experiment


def compare(folders: Sequence[Path]) -> Comparison:
    """Compare experiments.

    Args:
        folders: of the experiments, ``results/<experiment>``.

    Raises:
        UserError: when one has no trials, or its files cannot be read.
    """
    configs = [load(folder / "config.json") for folder in folders]
    found = [_compared(*each) for each in zip(folders, configs, strict=True)]
    count = min(each["trials"] for each in found)
    hours = min(each["processor_hours"] for each in found)
    return {
        "experiments": found,
        "same_images": len({each["checksum"] for each in found}) == 1,
        "after_trials": count,
        "validation_after_trials": [_lowest(each, "trials", count) for each in found],
        "after_hours": hours,
        "validation_after_hours": [_lowest(each, "processor_hours", hours) for each in found],
        "settings": _differences(list(map(_settings, configs))),
    }


def _compared(folder: Path, config: Config) -> Compared:
    history = trials.read_summaries(experiments.history(folder))
    threads = config.search.worker_threads
    improvements = list(_improvements(history, threads))
    with DataFile(folder / "data.h5") as data:
        name, checksum, n_validation = data.name, data.checksum, len(data.splits.validation)
    final, space = read_final(folder), space_of(history)
    entries = {entry["rank"]: entry for entry in final["winners"]} if final else {}
    return {
        "experiment": folder.resolve().name,
        "data": name,
        "checksum": checksum,
        "trials": len(history),
        "succeeded": len(trials.succeeded(history)),
        "processor_hours": _hours(history, threads),
        "hyperparameters": None if space is None else len(table(space)),
        "validation": _validation(improvements, n_validation),
        "test": _test(entries.get(1)),
        "together": _test(entries.get("average")),
        "raw_pixels": _raw_pixels(final),
        "convergence": improvements,
    }


def _improvements(history: list[Trial], threads: int) -> Iterator[Improvement]:
    best, seconds = float("inf"), 0.0
    for number, trial in enumerate(history, start=1):
        seconds += trials.evaluation_seconds(trial)
        error = ensemble_error_or_none(trial)
        if error is not None and error < best:
            best = error
            yield {
                "trials": number,
                "processor_hours": threads * seconds / 3600,
                "error": error,
            }


def _hours(history: list[Trial], threads: int) -> float:
    return threads * sum(map(trials.evaluation_seconds, history)) / 3600


def _lowest(of: Compared, cost: Literal["trials", "processor_hours"], limit: float) -> float | None:
    """The lowest error within a cost."""
    within = [step["error"] for step in of["convergence"] if step[cost] <= limit]
    return within[-1] if within else None


def _validation(improvements: Sequence[Improvement], examples: int) -> Error | None:
    if not improvements:
        return None
    error = improvements[-1]["error"]
    return {"error": error, "interval": interval(np.array([error]), examples)}


def _test(entry: FinalEntry | None) -> Error | None:
    return entry and {"error": entry["test_error"], "interval": entry["interval"]}


def _raw_pixels(final: FinalEvaluation | None) -> Error | None:
    if final is None:
        return None
    pixels = final["raw_pixels"]
    return {"error": pixels["test_error"], "interval": pixels["interval"]}


def _settings(config: Config) -> dict[str, Any]:
    """The configuration with one entry for each key, such as ``search.seed``."""
    return dict(_flat(to_json(config), ""))


def _flat(section: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differences(settings: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    values = {key: [each[key] for each in settings] for key in settings[0]}
    return {
        key: found
        for key, found in values.items()
        if key != "experiment" and any(value != found[0] for value in found)
    }
