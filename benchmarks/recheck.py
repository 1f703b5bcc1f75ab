"""What rechecking is worth: test errors of the winners of many searches, with and without it.

    python -m benchmarks.recheck data.h5 benchmarks/tables/cifar10.jsonl.gz > table.md

The best trials of a table of random trials are evaluated on the data file: their validation error,
their errors on other divisions, and their test error. A search is a random part of these trials.
Its winner has the lowest validation error; with rechecking, of the ten lowest the one with the
lowest mean over the other divisions.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from hpconv.config import ModelSettings
from hpconv.datasets.image_rows import ImageRows
from hpconv.datasets.protocols import Evaluation, Selection, used_rows
from hpconv.errors import CandidateError
from hpconv.features.learning import learn
from hpconv.learners import classifier
from hpconv.model.pipeline import describe

MODEL = ModelSettings(output_sizes=(32,), max_n_features=1000, n_unsupervised=300)
BEST, SPLITS = 10, 5
SEARCHES, SHARE = 200, 1 / 3  # of the evaluated trials in a search


def measure(assignment: dict[str, Any], data: Path, model: ModelSettings = MODEL) -> list[float]:
    """Validation error, errors on other divisions, and test error of a candidate."""
    selection, (fold,) = Selection(data), Evaluation(data).folds
    pipeline = describe(assignment, selection.images.shape[1:], model)
    extractor = learn(pipeline, selection.unlabelled(model.n_unsupervised), model)
    rows = used_rows(data)
    features = extractor.transform(ImageRows(data, rows))
    divisions = [selection, *map(selection.redivided, range(1, SPLITS + 1))]

    def new() -> Any:
        return classifier(features, rows, pipeline.classifier, pairs=False)

    return [*(each.loss(new()) for each in divisions), fold.fit_and_test(new()).error]


def best_assignments(table: Path, count: int) -> list[dict[str, Any]]:
    """The hyperparameters of the trials with the lowest errors in a table."""
    with gzip.open(table, "rt") as lines:
        trials = [trial for trial in map(json.loads, lines) if trial["loss"] is not None]
    return [trial["vals"] for trial in sorted(trials, key=lambda trial: trial["loss"])[:count]]


def winners(measured: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Indices of the winners of a search, without and with rechecking."""
    found = rng.choice(len(measured), round(SHARE * len(measured)), replace=False)
    ranked = found[np.argsort(measured[found, 0], kind="stable")]
    means = measured[ranked[:BEST], 1:-1].mean(axis=1)
    return ranked[0], ranked[np.argmin(means)]


def report(measured: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    plain, rechecked = np.array([winners(measured, rng) for _ in range(SEARCHES)]).T
    print(f"{len(measured)} candidates, {SEARCHES} searches of {SHARE:.0%} of them\n")
    print("| winner by | validation error | test error |\n| --- | --- | --- |")
    for name, chosen in (("validation error", plain), ("mean of other divisions", rechecked)):
        validation, test = measured[chosen, 0], measured[chosen, -1]
        print(f"| {name} | {100 * validation.mean():.2f} | {100 * test.mean():.2f} |")
    difference = measured[plain, -1] - measured[rechecked, -1]
    print(f"\ndifference {100 * difference.mean():.2f} points, p {wilcoxon(difference).pvalue:.1e}")
    print(f"rank correlation with the test error: {_correlations(measured)}")


def _correlations(measured: np.ndarray) -> str:
    ranks = measured.argsort(axis=0).argsort(axis=0)
    mean = measured[:, 1:-1].mean(axis=1).argsort().argsort()
    single = np.corrcoef(ranks[:, 0], ranks[:, -1])[0, 1]
    return f"validation {single:.2f}, mean {np.corrcoef(mean, ranks[:, -1])[0, 1]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--candidates", type=int, default=90)
    arguments = parser.parse_args()
    measured = []
    for assignment in best_assignments(arguments.table, arguments.candidates):
        try:
            measured.append(measure(assignment, arguments.data))
        except CandidateError as refusal:
            print(refusal, file=sys.stderr)
        print(len(measured), measured[-1:], file=sys.stderr, flush=True)
    report(np.array(measured))


if __name__ == "__main__":
    main()
