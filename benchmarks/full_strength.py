"""Winners of searches on few images, at full strength: all images, more filters, mirror images.

    python -m benchmarks.full_strength DATA.h5 FOLDER HISTORY... --features 4000 16000 --flips

Each ``trials.jsonl`` gives its winner. Its hyperparameters stay, with filters and classifier
learned from all images; only ``l2_reg``, which depends on their number, is multiplied by the factor
that is best on the validation images. FOLDER keeps the features and ``results.jsonl``, which has a
line for each winner and strength; the same command continues.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpconv import features, trials
from hpconv.config import model_of
from hpconv.datasets.protocols import Evaluation, Selection
from hpconv.evaluation import variants
from hpconv.evaluation.refit import refit_and_test
from hpconv.evaluation.statistics import interval
from hpconv.evaluation.summary import AveragedDecisions
from hpconv.learners import classifier
from hpconv.model.pipeline import describe
from hpconv.trials import Trial

MEMORY_MB = 12 * 1024
UNLABELLED = {"n_unsupervised": 7500, "n_patches": 50_000}  # as config/cifar10.yaml
FACTORS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # of l2_reg


@dataclass(frozen=True)
class Strength:
    """What a winner is evaluated with."""

    max_n_features: int
    flips: bool

    def of(self, trial: Trial) -> Trial:
        """The winner as a trial of this strength, for any images."""
        *_, (_, variant) = variants.of(trial, self.max_n_features, self.flips)
        misc = {**variant["misc"], "model": variant["misc"]["model"] | UNLABELLED}
        misc.pop("data", None)
        return {**variant, "misc": misc}


def with_l2_reg(trial: Trial, factor: float) -> Trial:
    """The trial with another weight of the penalty."""
    scaled = {
        label: [value * factor]
        for label, value in trials.hyperparameters(trial).items()
        if label.endswith("_l2_reg")
    }
    return {**trial, "misc": {**trial["misc"], "vals": trial["misc"]["vals"] | scaled}}


def best_factor(
    trial: Trial, data: Path, extracted: Path, factors: Sequence[float]
) -> dict[str, Any]:
    """The factor with the lowest validation error, tried in their order while that falls."""
    selection, found = Selection(data), dict[float, float]()
    model = model_of(trial)
    shape = selection.images.shape[1:]
    with features.opened(extracted) as file:
        for factor in factors:
            assignment = trials.hyperparameters(with_l2_reg(trial, factor))
            settings = describe(assignment, shape, model).classifier
            algorithm = classifier(
                *(file["features"], file["rows"][()], settings),
                pairs=False,
                kept_bytes=MEMORY_MB * 2**19,
            )
            found[factor] = selection.loss(algorithm)
            if found[factor] > min(found.values()):
                break
    best = min(found, key=found.__getitem__)
    return {"factor": best, "validation": found[best], "tried": found}


def measure(
    trial: Trial, strength: Strength, data: Path, folder: Path, factors: Sequence[float]
) -> dict[str, Any]:
    """Errors of a winner; its decisions on the test images are kept in the folder."""
    variant, start = strength.of(trial), time.perf_counter()
    model = model_of(variant)
    name = f"{trial['exp_key']}-{trial['tid']}-{strength.max_n_features}-{strength.flips}"
    extracted = folder / f"{name}.h5"
    features.extract(variant, data, model, extracted, cache=folder / "cache")
    seconds = {"extract": time.perf_counter() - start}
    chosen = best_factor(variant, data, extracted, factors)
    scaled, start = with_l2_reg(variant, chosen["factor"]), time.perf_counter()
    refitted = refit_and_test([scaled], data, [extracted], model, memory_mb=MEMORY_MB)
    seconds["fit"] = time.perf_counter() - start
    (outcome,), (fitted,) = refitted.outcomes, refitted.fitted
    scores: dict[str, Any] = {"decision/0": fitted.decision, "classes/0": fitted.classes}
    np.savez(folder / f"{name}.npz", **scores)
    found = {"name": name, "features": strength.max_n_features, "flips": strength.flips}
    found |= {"shape": list(refitted.feature_shape), "test": outcome.error, **chosen}
    return found | {"interval": interval(np.array([outcome.error]), len(outcome.labels)), **seconds}


def average(data: Path, folder: Path, names: list[str]) -> float:
    """Test error of the averaged decisions."""
    scores = [dict(np.load(folder / f"{name}.npz")) for name in names]
    (fold,) = Evaluation(data).folds
    return fold.fit_and_test(AveragedDecisions(scores, 0)).error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("histories", type=Path, nargs="+")
    parser.add_argument("--features", type=int, nargs="+", required=True)
    parser.add_argument("--flips", action="store_true", help="also with mirror images")
    parser.add_argument("--factors", type=float, nargs="+", default=FACTORS, help="of l2_reg")
    arguments = parser.parse_args()
    folder, path = arguments.folder, arguments.folder / "results.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in path.open()] if path.exists() else []
    for n_features in arguments.features:
        for flips in (False, True)[: 1 + arguments.flips]:
            names = []
            for history in arguments.histories:
                trial, strength = (
                    trials.succeeded(trials.read(history))[0],
                    Strength(n_features, flips),
                )
                names.append(f"{trial['exp_key']}-{trial['tid']}-{n_features}-{flips}")
                if names[-1] not in {line["name"] for line in known}:
                    found = measure(trial, strength, arguments.data, folder, arguments.factors)
                    known.append(found)
                    with path.open("a") as file:
                        file.write(json.dumps(found) + "\n")
            print(n_features, flips, names, average(arguments.data, folder, names), flush=True)


if __name__ == "__main__":
    main()
