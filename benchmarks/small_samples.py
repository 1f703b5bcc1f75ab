"""Test errors with few labelled images: a winner, and features that learn nothing.

    OMP_NUM_THREADS=1 python -m benchmarks.small_samples DATA.h5 HISTORY > table.md

The winner of a ``trials.jsonl`` keeps its hyperparameters; its filters are learned from unlabelled
training images. All features have the same scaling and linear SVM; its penalty is chosen on a fifth
of the labelled images, stratified, of which the others are fitted; then all are fitted. HOG needs
``scikit-image``, scattering ``kymatio``; without them their rows are left out, with a line.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from hpconv import trials
from hpconv.config import model_of
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import error_rate, unlabelled
from hpconv.features.user_images import from_assignment
from hpconv.learners.linear import LinearSVM
from hpconv.learners.scaling import Scaler
from hpconv.model.pipeline import ClassifierSettings

COUNTS, DRAWS = (10, 50, 100, 500, 1000), 3
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
Features = Callable[[np.ndarray], np.ndarray]  # of images (n, C, H, W) uint8


def winner(history: Path, data: Path, max_n_features: int | None) -> Features:
    trial = trials.succeeded(trials.read(history))[0]
    changes = {"max_n_features": max_n_features} if max_n_features else {}
    model = model_of(trial, engine="auto", **changes)
    images = unlabelled(data, model.n_unsupervised)
    return from_assignment(trials.hyperparameters(trial), images, model).transform


def hog(images: np.ndarray) -> np.ndarray:
    from skimage.feature import hog as of_image

    cell, axis = images.shape[-1] // 8, 0 if images.shape[1] == 3 else None
    return np.array(
        [
            of_image(each if axis == 0 else each[0], 9, (cell, cell), (2, 2), channel_axis=axis)
            for each in images
        ],
        "float32",
    )


def scattering(images: np.ndarray) -> np.ndarray:
    # kymatio.numpy does not start with scipy 1.17, for its three-dimensional part
    from kymatio.scattering2d.frontend.numpy_frontend import ScatteringNumPy2D

    transform = ScatteringNumPy2D(J=2, shape=images.shape[2:])
    blocks = [transform(images[i : i + 100].astype("float32")) for i in range(0, len(images), 100)]
    return np.concatenate(blocks).astype("float32")


def pixels(images: np.ndarray) -> np.ndarray:
    return images.astype("float32")


def fitted(x: np.ndarray, labels: np.ndarray, l2_reg: float) -> Callable[[np.ndarray], np.ndarray]:
    """The labels that an SVM predicts."""
    settings = ClassifierSettings(l2_reg, varthresh=1e-6, remove_std0=True, divrowl2=True)
    scaler = Scaler.fit(x, settings)
    svm = LinearSVM(l2_reg).fit(scaler(x), labels)
    return lambda others: svm.predict(scaler(others))


def tested(x: np.ndarray, labels: np.ndarray, tested_x: np.ndarray, truth: np.ndarray) -> float:
    """Test error with the penalty that is best on a fifth of the examples."""
    kept, held = train_test_split(np.arange(len(x)), test_size=0.2, stratify=labels, random_state=0)
    errors = {
        l2_reg: error_rate(fitted(x[kept], labels[kept], l2_reg)(x[held]), labels[held])
        for l2_reg in PENALTIES
    }
    best = min(PENALTIES, key=errors.__getitem__)
    return error_rate(fitted(x, labels, best)(tested_x), truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("history", type=Path)
    parser.add_argument("--max-n-features", type=int, help="of the winner; by default its own")
    parser.add_argument("--tested", type=int, help="number of test images; by default all")
    parser.add_argument("--methods", nargs="+")
    arguments = parser.parse_args()
    methods: dict[str, Features] = {
        "winner": winner(arguments.history, arguments.data, arguments.max_n_features),
        "HOG": hog,
        "scattering": scattering,
        "pixels": pixels,
    }
    for name, package in (("HOG", "skimage"), ("scattering", "kymatio")):
        if find_spec(package) is None:
            print(f"no {name}: install {package}", file=sys.stderr)
            del methods[name]
    with DataFile(arguments.data) as file:
        (fold, *_), labels = file.splits.folds, file.labels
        test = np.sort(np.random.default_rng(0).permutation(fold.test)[: arguments.tested])
        draws = [sample(labels, fold.train, seed) for seed in range(DRAWS)]
        rows = np.unique(np.concatenate([test, *(each[COUNTS[-1]] for each in draws)]))
        images = file.images[rows[0] : rows[-1] + 1][rows - rows[0]]
    print("| images a class | " + " | ".join(map(str, COUNTS)) + " | features | ms an image |")
    print("|" + " --- |" * (len(COUNTS) + 3))
    for name in arguments.methods or methods:
        start = time.process_time()
        x = methods[name](images).reshape(len(images), -1)
        seconds = time.process_time() - start
        cells = []
        for count in COUNTS:
            errors = []
            for each in draws:
                chosen = each[count]
                places, asked = np.searchsorted(rows, chosen), np.searchsorted(rows, test)
                errors.append(tested(x[places], labels[chosen], x[asked], labels[test]))
            cells.append(f"{100 * np.mean(errors):.1f} ± {100 * np.std(errors, ddof=1):.1f}")
        cost = f"{1000 * seconds / len(images):.2f}"
        print("|", " | ".join([name, *cells, str(x.shape[1]), cost]), "|", flush=True)


def sample(labels: np.ndarray, train: np.ndarray, seed: int) -> dict[int, np.ndarray]:
    """For each count, that many training examples of each class; smaller samples are in larger."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(train)
    by_class = [shuffled[labels[shuffled] == label] for label in np.unique(labels)]
    return {n: np.sort(np.concatenate([each[:n] for each in by_class])) for n in COUNTS}


if __name__ == "__main__":
    main()
