"""The final evaluation: winners, their average, an ensemble and the baseline in one file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Task
from hpconv.evaluation.statistics import summarise
from hpconv.files import read_json, write_json
from hpconv.trials import error_line, hyperparameters

STEPS = ("features", "retrain")  # each with a log of its own, STEP-RANK.log


def write_summary(
    data: Path,
    baseline: Path,
    evaluations: Sequence[Path],
    logs: Path,
    path: Path,
    grown: Path | None = None,
) -> None:
    """Gather the evaluations that are there, and why the others are not.

    Args:
        evaluations: of the winners, by rank; ``trial.json`` and ``scores.npz`` are beside them.
        logs: folder of their logs.
        grown: evaluation of the ensemble that the search has grown.
    """
    with DataFile(data) as file:
        source = {"name": file.name, "checksum": file.checksum}
    winners: list[dict[str, Any]] = []
    missing = []
    for rank, evaluation in enumerate(evaluations, start=1):
        if is_current(evaluation):
            winners.append({"rank": rank, **read_json(evaluation)})
        else:
            missing.append({"rank": rank, "reason": _reason(logs, rank)})
    entries = list(winners)
    if len(winners) > 1:
        scores = [evaluations[winner["rank"] - 1].with_name("scores.npz") for winner in winners]
        tids = [winner["tid"] for winner in winners]
        entries.append({"rank": "average", "members": tids, **average(data, scores)})
    if grown is not None and grown.exists():
        entries.append({"rank": "ensemble", **read_json(grown)})
    found = {"raw_pixels": read_json(baseline), "winners": entries, "missing": missing}
    write_json(path, {"data": source} | found)


def is_current(evaluation: Path) -> bool:
    """Whether there is an evaluation of the very trial that has this rank now."""
    try:
        found, trial = read_json(evaluation), read_json(evaluation.with_name("trial.json"))
        told = {"tid": trial["tid"], "hyperparameters": hyperparameters(trial)}
        return {key: found[key] for key in told} == told
    except (OSError, ValueError, LookupError):  # gone, or damaged
        return False


def average(data: Path, scores: Sequence[Path]) -> dict[str, Any]:
    """What is to be told of winners that decide together, by the mean of their decisions.

    Each winner's are divided by their standard deviation over a fold's test examples and
    classes, so that all weigh the same; no label is read for that, and no error.
    """
    by_winner = []
    for path in scores:
        with np.load(path) as arrays:
            by_winner.append(dict(arrays))
    outcomes = [
        fold.fit_and_test(AveragedDecisions(by_winner, fold.number))
        for fold in Evaluation(data).folds
    ]
    return summarise([outcomes])


class AveragedDecisions:
    """Winners whose decisions on a fold's test examples are known."""

    def __init__(self, winners: Sequence[dict[str, np.ndarray]], fold: int) -> None:
        decisions = [arrays[f"decision/{fold}"] for arrays in winners]
        self._mean = np.mean([each / each.std() for each in decisions], axis=0)
        self._classes = winners[0][f"classes/{fold}"]

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """They are fitted already."""

    def predict(self, task: Task) -> np.ndarray:
        """Labels of the test examples: the class with the greatest mean."""
        labels: np.ndarray = self._classes[self._mean.argmax(axis=1)]
        return labels


def _reason(logs: Path, rank: int) -> str:
    """The last line of the latest log of a winner."""
    found = [log for step in STEPS if (log := logs / f"{step}-{rank}.log").exists()]
    text = max(found, key=lambda log: log.stat().st_mtime).read_text() if found else ""
    return error_line(text).removeprefix("hpconv: ") if text.strip() else "it was not begun"
