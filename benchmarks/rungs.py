"""How well the loss at a rung predicts the final loss, and what a rung costs.

    export OMP_NUM_THREADS=1
    python -m benchmarks.rungs measure DATA.h5 TABLE.jsonl.gz LOSSES.jsonl
    python -m benchmarks.rungs summarise LOSSES.jsonl

Candidates are trials of a table that ``benchmarks.samplers.make_tables`` has written: random ones
and the best ones. Each is fitted to shares of the training images, and tested on shares of the
validation images.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.samplers.make_tables import MODELS
from hpconv.config import ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.datasets.splits import nested_share
from hpconv.engines import warm_up
from hpconv.errors import CandidateError
from hpconv.features.learning import learn
from hpconv.learners import classifier
from hpconv.model.pipeline import describe
from hpconv.objective.rungs import goes_on
from hpconv.trials import Standing

SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)
BEST = 0.1  # share of candidates that should not be stopped
RUNGS = ((), (0.1,), (0.2,), (0.3,), (0.1, 0.3), (0.2, 0.5), (0.3, 0.5))
N_TRIALS, N_SEARCHES = 200, 200  # simulated
STEPS = ("learn", "extract")
KEPT = 1 / 3  # share of candidates that go on at a rung


def candidates(table: Path, n_random: int, n_best: int) -> list[dict[str, Any]]:
    with gzip.open(table, "rt") as file:
        rows = [row for line in file if (row := json.loads(line))["status"] == "ok"]
    chosen = np.random.default_rng(0).choice(len(rows), n_random, replace=False)
    best = sorted(rows, key=lambda row: row["loss"])[:n_best]
    return [rows[number] | {"random": True} for number in chosen] + best


def timed(step: Callable[[], Any]) -> tuple[Any, float]:
    """What a step returns, and its processor seconds."""
    start = time.process_time()
    result = step()
    return result, time.process_time() - start


def measure(row: dict[str, Any], selection: Selection, model: ModelSettings) -> dict[str, Any]:
    """Processor seconds of a candidate's steps, and its losses by share of each kind of image."""
    pipeline = describe(row["vals"], selection.images.shape[1:], model)
    images = selection.unlabelled(model.n_unsupervised)
    extractor, learning = timed(lambda: learn(pipeline, images, model))
    features, extraction = timed(lambda: extractor.transform(selection.images))
    labels = selection.validation.labels
    losses, classification = {}, {}
    for share in SHARES:
        new = classifier(features, selection.rows, pipeline.classifier, pairs=False)
        part = selection.share(share)
        _, classification[share] = timed(partial(part.loss, new))
        wrong = new.predict(selection.validation) != labels
        losses[share] = {v: wrong[nested_share(labels, v)].mean() for v in SHARES}
    seconds = {"learn": learning, "extract": extraction, "classify": classification}
    return {"random": row.get("random", False), "losses": losses, "seconds": seconds}


def measured(data: Path, table: Path, n_random: int, n_best: int) -> Iterator[dict[str, Any]]:
    selection = Selection(data)
    model = replace(MODELS["folder"], engine="cpu")
    warm_up("cpu")
    for row in candidates(table, n_random, n_best):
        try:
            yield measure(row, selection, model)
        except CandidateError as refusal:  # features of a share may be constant
            yield {"random": row.get("random", False), "failure": refusal.kind}


def summarise(trials: list[dict[str, Any]], sizes: tuple[int, int]) -> None:
    """A line for each pair of shares: cost, rank correlation, and best candidates stopped.

    Args:
        sizes: numbers of training and validation images.
    """
    final = losses_at(trials, 1.0, 1.0)
    whole = np.sum([cost(trial, 1.0, 1.0, sizes) for trial in trials])
    good = final <= np.quantile(final, BEST)
    for train in SHARES[:-1]:
        for validation in (train, *(share for share in (0.3, 1.0) if share > train)):
            found = losses_at(trials, train, validation)
            stopped = found > np.quantile(found, KEPT)
            spent = np.sum([cost(trial, train, validation, sizes) for trial in trials]) / whole
            numbers = [f"{100 * spent:.0f} %", f"{spearmanr(found, final)[0]:.2f}"]
            print(train, validation, *numbers, f"{stopped[good].sum()} of {good.sum()}", sep=" | ")


def simulate(trials: list[dict[str, Any]], rungs: tuple[float, ...], seed: int) -> np.ndarray:
    """A search of N_TRIALS candidates, drawn with replacement, one after the other.

    Returns:
        its processor time as a share of that of whole trials; the share of trials stopped; their
        share among the 15 % of trials whose reported losses are lowest; the increase of the lowest
        final loss.
    """
    numbers = np.random.default_rng(seed).choice(len(trials), N_TRIALS)
    reached: dict[float, list[float]] = {share: [] for share in rungs}
    ends = np.array([_end(trials[number], reached) for number in numbers])
    final = losses_at(trials, 1.0, 1.0)[numbers]
    told = np.array([loss_at(trials[n], end) for n, end in zip(numbers, ends, strict=True)])
    used = sum(_spent(trials[n], rungs, end) for n, end in zip(numbers, ends, strict=True))
    whole = sum(_spent(trials[n], (), 1.0) for n in numbers)
    lowest = np.argsort(told, kind="stable")[: round(0.15 * N_TRIALS)]
    stopped = ends < 1
    worse = final[~stopped].min() - final.min()
    return np.array([used / whole, stopped.mean(), stopped[lowest].mean(), worse])


def _end(trial: dict[str, Any], reached: dict[float, list[float]]) -> float:
    """The share at which a trial ends; adds its losses to those of each rung."""
    for share, losses in reached.items():
        loss = loss_at(trial, share)
        losses.append(loss)
        if not goes_on(Standing(sum(other < loss for other in losses), len(losses))):
            return share
    return 1.0


def _spent(trial: dict[str, Any], rungs: tuple[float, ...], end: float) -> float:
    seconds = trial["seconds"]
    fits = [seconds["classify"][str(share)] for share in (*rungs, 1.0) if share <= end]
    return float(seconds["learn"] + end * seconds["extract"] + sum(fits))


def loss_at(trial: dict[str, Any], share: float) -> float:
    """The loss on a share of all images."""
    return float(trial["losses"][str(share)][str(share)])


def losses_at(trials: list[dict[str, Any]], train: float, validation: float) -> np.ndarray:
    return np.array([trial["losses"][str(train)][str(validation)] for trial in trials])


def cost(trial: dict[str, Any], train: float, validation: float, sizes: tuple[int, int]) -> float:
    """Processor seconds of a trial that is stopped at its first rung."""
    seconds = trial["seconds"]
    images = (train * sizes[0] + validation * sizes[1]) / sum(sizes)
    return float(seconds["learn"] + images * seconds["extract"] + seconds["classify"][str(train)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    measuring = steps.add_parser("measure")
    for name in ("data", "table", "output"):
        measuring.add_argument(name, type=Path)
    measuring.add_argument("--random", type=int, default=60)
    measuring.add_argument("--best", type=int, default=30)
    summarising = steps.add_parser("summarise")
    summarising.add_argument("losses", type=Path)
    summarising.add_argument("--sizes", type=int, nargs=2, default=(2000, 3000))
    told = parser.parse_args()
    if told.step == "measure":
        with told.output.open("a") as file:
            for trial in measured(told.data, told.table, told.random, told.best):
                file.write(json.dumps(trial) + "\n")
                file.flush()
        return
    trials = [json.loads(line) for line in told.losses.read_text().splitlines()]
    done = [trial for trial in trials if "losses" in trial]
    print("training | validation | cost | rank correlation | best tenth stopped")
    groups = {"random": True, "best": False}
    parts = {name: [t for t in done if t["random"] is kind] for name, kind in groups.items()}
    for name, some in (parts | {"all": done}).items():
        steps_of = {k: round(np.mean([t["seconds"][k] for t in some]), 2) for k in STEPS}
        print(f"{len(some)} {name} candidates, mean seconds {steps_of}")
        summarise(some, tuple(told.sizes))
        for rungs in RUNGS:
            means = np.mean([simulate(some, rungs, seed) for seed in range(N_SEARCHES)], axis=0)
            print("rungs", rungs, *(f"{mean:.4f}" for mean in means), sep=" | ")


if __name__ == "__main__":
    main()
