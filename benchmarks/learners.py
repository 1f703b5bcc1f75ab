"""Speed, error and memory of the linear learner against scikit-learn's, on the same features.

    python -m benchmarks.learners DATA.h5 [--features FEATURES.h5] > table.md
    python -m benchmarks.learners --memory FOLDER > table.md

DATA.h5 is written by ``hpconv data``. Features are read from a file with a row for each image,
as ``hpconv extract`` writes it, or come from a random pipeline of whitened patches. Each
contender has a process of its own, in which it fits to the same scaled training features with
each regularisation of a grid; the best on the validation images counts.

The memory run writes 50,000 rows of 16,000 random features (3.2 GB) into a folder, and fits
to them from the file, kept in memory and read anew.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from hyperopt import Trials, rand
from hyperopt.base import Domain
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

from hpconv.config import ModelSettings
from hpconv.datasets.protocols import Selection, Task
from hpconv.errors import CandidateError
from hpconv.features.learning import learn
from hpconv.learners import smoothed_hinge
from hpconv.learners.linear import FeatureClassifier, LinearSVM
from hpconv.learners.scaling import Scaler
from hpconv.model.layers import Filter
from hpconv.model.pipeline import ClassifierSettings, Pipeline, describe
from hpconv.model.space import search_space
from hpconv.trials import hyperparameters

SCALING = ClassifierSettings(l2_reg=1e-4, varthresh=1e-6, remove_std0=True, divrowl2=False)
GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
CONTENDERS: dict[str, Callable[[float], Any]] = {
    "hpconv": LinearSVM,
    "LinearSVC": lambda c: LinearSVC(C=c),
    "SGDClassifier, averaged": lambda alpha: SGDClassifier(
        alpha=alpha, average=True, random_state=0, n_jobs=-1
    ),
    "LogisticRegression": lambda c: LogisticRegression(C=c, max_iter=smoothed_hinge.MAX_ITERATIONS),
}
ROWS, WIDTH, CLASSES = 50_000, 16_000, 10  # of the memory run
ITERATIONS, KEPT = 5, {"8 GiB": 2**32, "2 GiB": 2**30}


def random_pipeline(size: int, channels: int, width: int) -> tuple[Pipeline, ModelSettings]:
    """The first draw of the space without a warp that ends in whitened patches, and lets
    nearly as many features through as it may."""
    model = ModelSettings((size,), (32, 64), 20_000, width, 500_000, 1000, 100, "cpu")
    domain = Domain(lambda assignment: 0.0, search_space(model.output_sizes, model.max_layer_sizes))
    for seed in range(1000):
        (trial,) = rand.suggest([seed], domain, Trials(), seed)
        assignment = hyperparameters(trial)
        try:
            pipeline = describe(assignment, (channels, size, size), model)
        except CandidateError:
            continue
        filters = [x for stage in pipeline.stages for x in stage if isinstance(x, Filter)]
        whitened = all(layer.recipe.kind == "whitened_patches" for layer in filters)
        n_features = np.prod([shape for _, shape in pipeline.shapes()][-1])
        simple = assignment["warp"] == 0 and pipeline.stages[-1][-1].order == 1
        if whitened and simple and n_features > 0.9 * width:
            return pipeline, model
    raise SystemExit(f"no pipeline of {width} features for images of {size} pixels")


def scaled(task: Task, features: np.ndarray, scaler: Scaler, name: str, folder: Path) -> None:
    np.save(folder / f"{name}.npy", scaler(features))
    np.save(folder / f"{name}_labels.npy", task.labels)


def prepare(data: Path, extracted: Path | None, rows: int, width: int, folder: Path) -> str:
    """Write scaled features of at most so many training rows, and half as many for validation."""
    selection = Selection(data)
    tasks = [_some(selection.train, rows), _some(selection.validation, rows // 2)]
    if extracted:
        with h5py.File(extracted) as file:
            parts = [file["features"][task.rows].reshape(len(task.rows), -1) for task in tasks]
    else:
        channels, _, size = selection.images.shape[1:]
        pipeline, model = random_pipeline(size, channels, width)
        extractor = learn(pipeline, selection.unlabelled(model.n_unsupervised), model)
        numbers = [np.searchsorted(selection.rows, task.rows) for task in tasks]
        parts = [extractor.transform(selection.images[each]) for each in numbers]
        parts = [part.reshape(len(part), -1) for part in parts]
    scaler = Scaler.fit(parts[0], SCALING)
    for task, features, name in zip(tasks, parts, ("train", "validation"), strict=True):
        scaled(task, features, scaler, name, folder)
    counts = " + ".join(str(len(part)) for part in parts)
    return f"{data.stem}, {counts} images x {parts[0].shape[1]} features"


def _some(task: Task, count: int) -> Task:
    """At most count examples, evenly spaced: they may be sorted by class."""
    chosen = np.unique(np.linspace(0, len(task.labels) - 1, count).round().astype(int))
    return Task(task.name, task.rows[chosen], task.labels[chosen])


def compete(name: str, folder: Path) -> dict[str, float]:
    """The fit of a contender that is best on validation."""
    names = ("train", "train_labels", "validation", "validation_labels")
    features, labels, others, truth = (np.load(folder / f"{each}.npy") for each in names)
    fits = []
    for regularisation in GRID:
        start = time.perf_counter()
        model = CONTENDERS[name](regularisation).fit(features, labels)
        seconds = time.perf_counter() - start
        error = float(np.mean(model.predict(others) != truth))
        fits.append({"error": error, "seconds": seconds, "regularisation": regularisation})
    best = min(fits, key=lambda fit: fit["error"])
    return best | {"all": sum(fit["seconds"] for fit in fits), "gib": peak_gib()}


def write_random(path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, ROWS)
    centres = rng.normal(size=(CLASSES, WIDTH)).astype("float32")
    with h5py.File(path, "w") as file:
        features = file.create_dataset("features", (ROWS, WIDTH), "float32")
        file["labels"] = labels
        for start in range(0, ROWS, 1000):
            part = slice(start, start + 1000)
            noise = rng.standard_normal((1000, WIDTH), dtype="float32")
            features[part] = 0.05 * centres[labels[part]] + noise


def fit_from_file(limit: str, folder: Path) -> dict[str, float]:
    """A few iterations on features in a file."""
    smoothed_hinge.MAX_ITERATIONS = ITERATIONS
    with h5py.File(folder / "features.h5") as file:
        task = Task("train", np.arange(ROWS), file["labels"][()])
        start = time.perf_counter()
        algorithm = FeatureClassifier(file["features"], task.rows, SCALING, kept_bytes=KEPT[limit])
        algorithm.fit(task)
        seconds = time.perf_counter() - start
        some = Task("some", task.rows[:5000], task.labels[:5000])
        error = float(np.mean(algorithm.predict(some) != some.labels))
    return {"seconds": seconds, "error": error, "gib": peak_gib()}


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def child(task: str, name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.learners", "--child", task, name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def compare(args: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder:
        title = prepare(args.data, args.features, args.rows, args.width, Path(folder))
        print(f"{title}\n\n| | validation error | at | s a fit | s for the grid | peak GiB |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name in CONTENDERS:
            best = child("compete", name, Path(folder))
            cells = f"{best['error']:.2%} | {best['regularisation']:g} | {best['seconds']:.2f}"
            print(f"| {name} | {cells} | {best['all']:.1f} | {best['gib']:.2f} |", flush=True)


def memory(folder: Path) -> None:
    write_random(folder / "features.h5")
    print(f"{ROWS} x {WIDTH}, {ITERATIONS} iterations\n")
    print("| limit | s | peak GiB | training error |\n| --- | --- | --- | --- |")
    for limit in KEPT:
        found = child("memory", limit, folder)
        print(f"| {limit} | {found['seconds']:.0f} | {found['gib']:.2f} | {found['error']:.1%} |")
    (folder / "features.h5").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--memory", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        task, name, folder = args.child
        run = compete if task == "compete" else fit_from_file
        print(json.dumps(run(name, Path(folder))))
    elif args.memory:
        memory(args.memory)
    else:
        compare(args)


if __name__ == "__main__":
    main()
