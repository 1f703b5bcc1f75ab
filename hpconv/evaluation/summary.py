"""Gather the evaluations of winners, their combination, the ensemble and the baseline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpconv.datasets.arrays import read_arrays
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Task
from hpconv.evaluation.records import (
    EnsembleEvaluation,
    FinalEntry,
    FinalEvaluation,
    MissingWinner,
    TestStatistics,
    WinnerEntry,
    failure_text,
    read_baseline,
    read_evaluation,
)
from hpconv.evaluation.statistics import summarise
from hpconv.files import read_json, write_json


def write_summary(
    data: Path,
    baseline: Path,
    evaluations: Sequence[Path],
    *,
    output: Path,
    ensemble: Path | None = None,
    variants: Sequence[str] = (),
) -> None:
    """Write the final evaluation: available results, and the reasons for missing winners.

    Args:
        evaluations: of the winners, by rank; ``trial.json`` and ``scores.npz`` are beside them.
        ensemble: evaluation of the ensemble that the search has grown.
        variants: names of folders beside each evaluation, with those of the winner's variants.
    """
    entries, missing = _entries(data, evaluations)
    of_variants: dict[str, list[FinalEntry]] = {}
    for name in variants:
        paths = [path.parent / name / path.name for path in evaluations]
        of_variants[name], absent = _entries(data, paths)
        missing += [
            {"rank": each["rank"], "reason": f"with {name}, {each['reason']}"} for each in absent
        ]
    if ensemble is not None and ensemble.exists():
        grown: EnsembleEvaluation = read_json(ensemble, EnsembleEvaluation)
        entries.append({"rank": "ensemble", **grown})
    with DataFile(data) as file:
        final: FinalEvaluation = {
            "data": {"name": file.name, "checksum": file.checksum},
            "raw_pixels": read_baseline(baseline),
            "winners": entries,
            "variants": of_variants,
            "missing": missing,
        }
    write_json(output, final)


def _entries(
    data: Path, evaluations: Sequence[Path]
) -> tuple[list[FinalEntry], list[MissingWinner]]:
    """The evaluated winners and, if there are several, their average; the missing winners."""
    winners, missing = _winners(evaluations)
    entries: list[FinalEntry] = [*winners]
    if len(winners) > 1:
        scores = [evaluations[entry["rank"] - 1].with_name("scores.npz") for entry in winners]
        tids = [winner["tid"] for winner in winners]
        entries.append({"rank": "average", "members": tids, **average(data, scores)})
    return entries, missing


def _winners(evaluations: Sequence[Path]) -> tuple[list[WinnerEntry], list[MissingWinner]]:
    winners: list[WinnerEntry] = []
    missing: list[MissingWinner] = []
    for rank, path in enumerate(evaluations, start=1):
        evaluation = read_evaluation(path)
        if evaluation is None:
            missing.append({"rank": rank, "reason": "it was not evaluated"})
        elif "test_error" in evaluation:
            winners.append({"rank": rank, **evaluation})
        else:
            missing.append({"rank": rank, "reason": failure_text(evaluation["failure"])})
    return winners, missing


def average(data: Path, scores: Sequence[Path]) -> TestStatistics:
    """Test statistics of the winners' averaged decision scores.

    Each winner's scores are divided by their standard deviation over a fold's test examples and
    classes, so that all winners have the same weight. That uses neither labels nor errors.
    """
    by_winner = []
    for path in scores:
        by_winner.append(read_arrays(path))
    outcomes = [
        fold.fit_and_test(AveragedDecisions(by_winner, fold.number))
        for fold in Evaluation(data).folds
    ]
    return summarise([outcomes])


class AveragedDecisions:
    """Classifier by the mean of several winners' decision scores on a fold's test examples.

    Args:
        winners: arrays of their ``scores.npz``.
        fold: its number.
    """

    def __init__(self, winners: Sequence[dict[str, np.ndarray]], fold: int) -> None:
        decisions = [arrays[f"decision/{fold}"] for arrays in winners]
        self._mean = np.mean([each / each.std() for each in decisions], axis=0)
        self._classes = winners[0][f"classes/{fold}"]

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Do nothing: the winners are fitted."""

    def predict(self, task: Task) -> np.ndarray:
        """Class numbers ``(n,)`` of the test examples: those of the greatest mean scores."""
        labels: np.ndarray = self._classes[self._mean.argmax(axis=1)]
        return labels
