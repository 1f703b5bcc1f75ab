"""What a search is worth: TPE against random search and common classifiers, on test images.

    python -m benchmarks.accuracy --configfile config/demo.yaml --trials 80 --grow > table.md

Each search is the whole workflow, with growing ensembles or without, and with the same number of
trials. A small convolutional network (needs ``torch``) is trained for as long as a TPE search has
computed. All choose by validation error and are tested once.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.network import train
from hpconv import trials
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Selection, Task
from hpconv.files import read_json

ALGORITHMS = ("tpe", "random")
PENALTIES = (1.0, 3.0, 10.0, 30.0)  # C of the RBF SVM


def search(algorithm: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Run the workflow; returns its results' folder."""
    kind = f"{algorithm}-growing" if arguments.grow else algorithm
    name = f"accuracy-{arguments.configfile.stem}-{kind}-{seed}"
    chosen = f"algorithm: {algorithm}, seed: {seed}, max_evals: {arguments.trials}"
    command = ["snakemake", "--profile", "profiles/local", "--configfile", arguments.configfile]
    command += ["--config", f"experiment={name}", f"search={{{chosen}}}"]
    command += [f"ensemble={{grow: {str(arguments.grow).lower()}}}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return Path("results", name)


def errors(results: Path) -> dict[str, float]:
    """Test errors of the best trial, and of the ensemble or of the winners' average."""
    final = read_json(results / "final_evaluation.json")
    by_rank = {winner["rank"]: winner for winner in final["winners"]}
    together = by_rank.get("ensemble") or by_rank["average"]
    return {
        "validation": by_rank[1]["validation_error"],
        "best trial": by_rank[1]["test_error"],
        "together": together["test_error"],
        "members": len(together["members"]),
        "raw pixels": final["raw_pixels"]["test_error"],
        "minutes": sum(sum(t["result"].get("seconds", {}).values()) for t in trials.read(
            results / "trials.jsonl")) / 60,
    }  # fmt: skip


class RBF:
    """A kernel SVM on standardised pixels."""

    def __init__(self, pixels: np.ndarray, penalty: float) -> None:
        self._pixels = pixels
        self._scaler, self._svm = StandardScaler(), SVC(C=penalty)

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit to a task's images."""
        self._svm.fit(self._scaler.fit_transform(self._pixels[task.rows]), task.labels)

    def predict(self, task: Task) -> np.ndarray:
        """Labels of a task's images."""
        return self._svm.predict(self._scaler.transform(self._pixels[task.rows]))


def rbf_error(data: Path) -> float:
    """Test error of an RBF SVM whose C was chosen on validation."""
    with DataFile(data) as file:
        pixels = file.images[()].reshape(len(file.images), -1).astype("float32")
    selection = Selection(data)
    losses = {c: selection.loss(RBF(pixels, c)) for c in PENALTIES}
    best = min(losses, key=losses.__getitem__)
    return Evaluation(data).folds[0].fit_and_test(RBF(pixels, best)).error


def spread(values: list[float]) -> str:
    """Mean and standard deviation in per cent."""
    deviation = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.2f}{deviation}"


def row(name: str, found: list[dict[str, float]]) -> str:
    """A line of the table for one algorithm's searches."""
    columns = [spread([each[key] for each in found]) for key in
               ("validation", "best trial", "together")]  # fmt: skip
    members = ", ".join(str(each["members"]) for each in found)
    minutes = mean(each["minutes"] for each in found)
    return f"| {name} | {' | '.join(columns)} | {members} | {minutes:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100, help="of each search")
    parser.add_argument("--grow", action="store_true", help="ensembles, as published")
    parser.add_argument("--configfile", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ALGORITHMS}
    for seed in range(arguments.seeds):
        for name in ALGORITHMS:
            results = search(name, seed, arguments)
            found[name].append(errors(results))
            print(name, seed, json.dumps(found[name][-1]), file=sys.stderr)
    print("| search | validation error (%) | test, best trial | test, together | members "
          "| CPU minutes |\n|---|---|---|---|---|---|")  # fmt: skip
    for name in ALGORITHMS:
        print(row(name, found[name]))
    data = results / "data.h5"  # of the last search; all have the same
    minutes = mean(each["minutes"] for each in found["tpe"])
    networks = [train(data, minutes, seed) for seed in range(arguments.seeds)]
    print("\n| other classifier | test error (%) |\n|---|---|")
    print(f"| linear, raw pixels | {spread([found['tpe'][0]['raw pixels']])} |")
    print(f"| RBF SVM, raw pixels | {spread([rbf_error(data)])} |")
    print(f"| small convolutional network, {minutes:.1f} CPU minutes | {spread(networks)} |")


if __name__ == "__main__":
    main()
