"""How well the loss at a rung predicts the final loss, and what a rung costs.

    export OMP_NUM_THREADS=1
    python -m benchmarks.rungs measure DATA.h5 TABLE.jsonl.gz LOSSES.jsonl
    python -m benchmarks.rungs summarise LOSSES.jsonl

Candidates are trials of a table that ``benchmarks.samplers.make_tables`` has written: random ones
and the best ones. Each is fitted to shares of the training images and tested on the same share of
the validation images, and on all of them; then to all images.
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
from hpconv.engines import warm_up
from hpconv.errors import CandidateError
from hpconv.features.extractor import no_tick
from hpconv.features.learning import learn
from hpconv.learners import classifier
from hpconv.model.pipeline import describe
from hpconv.objective.extraction import Features

SHARES = (0.1, 0.2, 0.3, 0.5)
BEST = 0.1  # share of candidates that a rung should not stop
KEPT = 1 / 3  # share of candidates that a rung keeps


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
    """Losses and processor seconds of a candidate at each share."""
    pipeline = describe(row["vals"], selection.images.shape[1:], model)
    images = selection.unlabelled(model.n_unsupervised)
    extractor, learning = timed(lambda: learn(pipeline, images, model))
    features = Features(extractor, selection.images, no_tick)
    rows = selection.rows
    new = partial(classifier, features.values, rows, pipeline.classifier, pairs=False)
    rungs = []
    for share in (*SHARES, 1.0):
        part = selection.share(share)
        _, extraction = timed(partial(features.extract, part.numbers))
        loss, fit = timed(lambda: part.loss(new()))  # noqa: B023, called at once
        rungs.append({"share": share, "loss": loss, "extract": extraction, "classify": fit})
    for rung in rungs:  # all images are extracted now
        wide = selection.share(rung["share"])
        wide.validation = selection.validation
        rung["loss_on_all"] = wide.loss(new())
    return {"random": row.get("random", False), "learn": learning, "rungs": rungs}


def measured(told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    selection = Selection(told.data)
    model = replace(MODELS["folder"], engine="cpu")
    warm_up("cpu")
    for row in candidates(told.table, told.random, told.best):
        try:
            yield measure(row, selection, model)
        except CandidateError as refusal:
            yield {"random": row.get("random", False), "failure": refusal.kind}


def summarise(trials: list[dict[str, Any]], name: str) -> None:
    """A line for each share."""
    done = [trial for trial in trials if "rungs" in trial]
    final = np.array([trial["rungs"][-1]["loss"] for trial in done])
    whole = np.array([spent(trial, 1.0) for trial in done])
    for place, share in enumerate(SHARES):
        at = [trial["rungs"][place] for trial in done]
        cost = np.array([spent(trial, share) for trial in done])
        columns = [f"{share:g}", f"{100 * cost.sum() / whole.sum():.0f} %"]
        for key in ("loss", "loss_on_all"):
            losses = np.array([rung[key] for rung in at])
            good = final <= np.quantile(final, BEST)
            kept = losses <= np.quantile(losses, KEPT)
            columns += [f"{spearmanr(losses, final)[0]:.2f}", f"{100 * np.mean(~kept[good]):.0f} %"]
        print(name, len(done), *columns, sep=" | ")


def spent(trial: dict[str, Any], share: float) -> float:
    """Processor seconds of a trial that ends at a share without earlier rungs."""
    extraction = sum(rung["extract"] for rung in trial["rungs"] if rung["share"] <= share)
    fit = next(rung["classify"] for rung in trial["rungs"] if rung["share"] == share)
    return float(trial["learn"] + extraction + fit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("measure", "summarise"))
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--best", type=int, default=40)
    told = parser.parse_args()
    if told.step == "measure":
        told.data, told.table, output = told.paths
        with output.open("a") as file:
            for trial in measured(told):
                file.write(json.dumps(trial) + "\n")
                file.flush()
        return
    trials = [json.loads(line) for line in told.paths[0].read_text().splitlines()]
    print("candidates | number | share | cost | rank correlation | best lost | ... on all images")
    summarise([trial for trial in trials if trial["random"]], "random")
    summarise(trials, "random and best")


if __name__ == "__main__":
    main()
