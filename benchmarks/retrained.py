"""What winners of searches on a fraction of the images are worth on all of them.

    python -m benchmarks.retrained --configfile config/fashion-mnist.yaml results/accuracy-*

Each search's winner and ensemble keep their hyperparameters; filters, scaling and classifier are
learned anew on all training and validation images, and measured on all test images.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.accuracy import spread
from hpconv import features, trials
from hpconv.config import DataSettings, ModelSettings
from hpconv.datasets import write
from hpconv.evaluation import retrain
from hpconv.files import read_json, write_json

MEMORY_MB = 6 * 1024


def without_trace(history: list[trials.Trial]) -> list[trials.Trial]:
    """Trials whose pipelines may be learned from other images than they were."""
    for trial in history:
        trial["result"].pop("trace", None)
    return history


def retrained(results: Path, data: Path, folder: Path) -> dict[str, float]:
    """Test errors of a search's winner and ensemble on all images."""
    folder.mkdir(parents=True, exist_ok=True)
    history, cache = without_trace(trials.read(results / "trials.jsonl")), folder.parent / "cache"
    model = ModelSettings(**history[0]["misc"]["model"])
    winner = trials.succeeded(history)[0]
    write_json(folder / "trial.json", winner)
    extracted, evaluation = folder / "features.h5", folder / "evaluation.json"
    features.extract(winner, data, model, extracted, cache=cache)
    retrain.retrain(
        folder / "trial.json",
        data,
        extracted,
        model,
        output=evaluation,
        scores=folder / "scores.npz",
        fitted=folder / "classifier.npz",
        seeds=1,
        cache=cache,
        memory_mb=MEMORY_MB,
    )
    errors = {"best trial": read_json(evaluation)["test_error"]}
    if trials.continues(history[-1]) is None:
        return errors
    (folder / "trials.jsonl").write_text("".join(json.dumps(t) + "\n" for t in history))
    grown = folder / "ensemble.json"
    options = {"folder": folder, "output": grown, "cache": cache, "memory_mb": MEMORY_MB}
    retrain.ensemble(folder / "trials.jsonl", data, model, **options)
    return errors | {"ensemble": read_json(grown)["test_error"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--configfile", type=Path, required=True, help="whose 'data' is all images")
    parser.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    folder = Path("results/retrained")
    folder.mkdir(parents=True, exist_ok=True)
    data, settings = folder / "data.h5", yaml.safe_load(arguments.configfile.read_text())["data"]
    if not data.exists():
        write(DataSettings(**settings | {"path": Path(settings["path"]), "fraction": 1.0}), data)
    found: dict[str, list[dict[str, Any]]] = {}
    for results in arguments.results:
        errors = retrained(results, data, folder / results.name)
        found.setdefault(results.name.rpartition("-")[0], []).append(errors)
        print(results, json.dumps(errors), file=sys.stderr)
    print("| search | test, best trial (%) | test, ensemble if it grew one (%) |\n|---|---|---|")
    for name, each in found.items():
        columns = [spread([errors[key] for errors in each]) for key in each[0]]
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
