"""The report: one HTML file that holds all it shows."""

import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from hpconv import features, figures, trials
from hpconv.files import read_json, replacing
from hpconv.trials import Trial

N_BEST = 10
LIBRARIES = ("hpconv", "hyperopt", "numpy", "pymongo", "pytensor", "scikit-learn", "snakemake")


def write(history: Path, data: Path, evaluation: Path, winners: Path, path: Path) -> None:
    """Write the report of a search and its final evaluation.

    Args:
        winners: the folder in which each has one, by rank, with its features.
    """
    all_trials, final = trials.read(history), read_json(evaluation)
    with h5py.File(data) as file:
        classes = list(file["classes"].asstr())
        parts = {name: len(file[name]) for name in ("train", "validation", "folds/0/test")}
        folds, pairs = len(file["folds"]), "pairs" in file
    environment = Environment(
        loader=PackageLoader("hpconv", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    entries = {entry["rank"]: entry for entry in final["winners"]}
    singles = [entry for rank, entry in entries.items() if isinstance(rank, int)]
    winner, raw_pixels = singles[0] if singles else None, final["raw_pixels"]
    bank = _first_bank(winners / str(winner["rank"]) / "features.h5") if winner else None
    losses = [(t["tid"], trials.ensemble_error(t)) for t in all_trials if "loss" in t["result"]]
    page = environment.get_template("report.html").render(
        data=final["data"],
        parts=parts,
        folds=folds,
        examples="pairs of images" if pairs else "images",
        trials=all_trials,
        winners=singles,
        missing=final["missing"],
        average=entries.get("average"),
        ensemble=entries.get("ensemble"),
        raw_pixels=raw_pixels,
        best=_best(all_trials, singles),
        failures=_failures(all_trials),
        convergence=figures.convergence(losses, raw_pixels["validation_error"]),
        filters=None if bank is None else figures.filters(bank),
        filter_shape=None if bank is None else bank.shape,
        confusion=figures.confusion(winner["confusion"], classes) if winner else None,
        versions={"Python": platform.python_version()} | {n: version(n) for n in LIBRARIES},
    )
    with replacing(path) as unfinished:
        unfinished.write_text(page)


def _first_bank(path: Path) -> np.ndarray | None:
    """The filters ``(K, C, s, s)`` of the lowest layer."""
    if not path.exists():
        return None
    with features.opened(path) as file:
        bank: np.ndarray = file["filters/0"][()]
    return bank


def _best(all_trials: list[Trial], winners: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best trials, with what the test says of those that were retrained."""
    tested = {winner["tid"]: winner for winner in winners}
    return [
        trials.summary(trial)
        | {
            "tested": tested.get(trial["tid"]),
            "hyperparameters": trials.hyperparameters(trial),
        }
        for trial in trials.succeeded(all_trials)[:N_BEST]
    ]


def _failures(all_trials: list[Trial]) -> list[dict[str, Any]]:
    """How often each kind of failure was seen, with one example, the most frequent first."""
    failed = [failure for trial in all_trials if (failure := trials.failure(trial))]
    example = {failure["kind"]: failure["reason"] for failure in reversed(failed)}
    counts = Counter(failure["kind"] for failure in failed)
    return [{"kind": k, "count": n, "example": example[k]} for k, n in counts.most_common()]
