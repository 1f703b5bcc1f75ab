"""Linear classifiers at equal accuracy of their objectives, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.svm DATA.h5 --rows 10000 --width 4000 > table.md

All fit to the same scaled features of a random pipeline, as in ``benchmarks.learners``, with the
same penalty. A contender's time is that of the loosest tolerance with which its own objective is
within 1e-4 of the lowest that it reaches with the tightest. hpconv and scipy minimise the same
objective. Ridge regression in closed form is a floor: one product ``X' X`` and a Cholesky
decomposition. *Passes* are products with the matrix of features, *passes alone* the time for that
many products. Seconds are processor time; each contender has a process of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from benchmarks.learners import peak_gib, prepare
from hpconv.learners import smoothed_hinge
from hpconv.learners.feature_matrix import FeatureRows
from hpconv.learners.linear import LinearSVM
from hpconv.learners.smoothed_hinge import Problem

ENOUGH = 1e-4  # of the lowest objective
Fit = Callable[[np.ndarray, np.ndarray, float, float], tuple[float, float]]  # objective, passes


class Counted(FeatureRows):
    """Features that count the products with them."""

    passes = 0

    def matmul(self, weights: np.ndarray) -> np.ndarray:
        self.passes += 1
        return super().matmul(weights)

    def rmatmul(self, slopes: np.ndarray) -> np.ndarray:
        self.passes += 1
        return super().rmatmul(slopes)


def problem(rows: FeatureRows, labels: np.ndarray, l2_reg: float) -> Problem:
    """hpconv's objective."""
    signs = np.where(labels == np.unique(labels)[:, None], 1, -1).astype("float32")
    ridge = np.full((len(signs), rows.shape[1] + 1), l2_reg, "float32")
    ridge[:, -1] = 0
    return Problem(rows, signs, np.empty((0, *signs.shape), "float32"), ridge)


def hpconv(x: np.ndarray, labels: np.ndarray, l2_reg: float, tol: float) -> tuple[float, float]:
    smoothed_hinge.TOLERANCE, smoothed_hinge.MAX_ITERATIONS = tol, 500
    rows = Counted(x)
    svm = LinearSVM(l2_reg).fit(rows, labels)
    passes = rows.passes
    found = np.concatenate([svm.weights.T, svm.bias[:, None]], axis=1)
    stated = problem(rows, labels, l2_reg)
    return float(stated.losses(stated.margins(found), found).sum()), passes


def scipy_lbfgs(
    x: np.ndarray, labels: np.ndarray, l2_reg: float, tol: float
) -> tuple[float, float]:
    rows = Counted(x)
    stated = problem(rows, labels, l2_reg)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = flat.reshape(stated.ridge.shape).astype("float32")
        margins = stated.margins(parameters)
        gradient = stated.gradient(margins, parameters)
        return float(stated.losses(margins, parameters).sum()), gradient.ravel().astype("float64")

    options = {"maxiter": 2000, "maxfun": 4000, "ftol": tol, "gtol": 0}
    found = minimize(
        value, np.zeros(stated.ridge.size), jac=True, method="L-BFGS-B", options=options
    )
    return float(found.fun), rows.passes


def linear_svc(x: np.ndarray, labels: np.ndarray, l2_reg: float, tol: float) -> tuple[float, float]:
    c = 1 / (l2_reg * len(x))
    svm = LinearSVC(C=c, tol=tol, max_iter=1000).fit(x, labels)
    signs = np.where(labels[:, None] == svm.classes_, 1, -1)
    slack = np.maximum(1 - signs * svm.decision_function(x), 0)
    return float((svm.coef_**2).sum() / 2 + (svm.intercept_**2).sum() / 2 + c * (slack**2).sum()), 0


def logistic(x: np.ndarray, labels: np.ndarray, l2_reg: float, tol: float) -> tuple[float, float]:
    c = 1 / (l2_reg * len(x))
    model = LogisticRegression(C=c, tol=tol, max_iter=2000).fit(x, labels)
    chosen = model.predict_log_proba(x)[np.arange(len(x)), np.searchsorted(model.classes_, labels)]
    return float((model.coef_**2).sum() / 2 - c * chosen.sum()), 2 * float(model.n_iter_[0])


def ridge(x: np.ndarray, labels: np.ndarray, l2_reg: float, tol: float) -> tuple[float, float]:
    targets = np.where(labels[:, None] == np.unique(labels), 1, -1).astype("float32")
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += l2_reg * len(x)
    weights = cho_solve(cho_factor(gram, overwrite_a=True), x.T @ targets)
    return float(((x @ weights - targets) ** 2).mean()), 1


CONTENDERS: dict[str, tuple[Fit, tuple[float, ...]]] = {  # tolerances, the loosest first
    "hpconv": (hpconv, (2e-3, 2e-4, 1e-6)),
    "scipy L-BFGS, the same objective": (scipy_lbfgs, (1e-4, 1e-5, 1e-7)),
    "LinearSVC": (linear_svc, (1e-1, 1e-2, 1e-3)),
    "LogisticRegression": (logistic, (1e-2, 1e-3, 1e-5)),
    "ridge, closed form": (ridge, (0.0,)),
}


def compete(name: str, folder: Path, l2_reg: float) -> Iterator[dict[str, Any]]:
    """A fit with each tolerance, the tightest first."""
    x, labels = (np.load(folder / f"{each}.npy") for each in ("train", "train_labels"))
    fit, tolerances = CONTENDERS[name]
    for tolerance in reversed(tolerances):
        start = time.process_time()
        objective, passes = fit(x, labels, l2_reg, tolerance)
        seconds = time.process_time() - start
        found = {"objective": objective, "passes": passes, "seconds": seconds}
        yield found | {"tolerance": tolerance, "gib": peak_gib()}


def seconds_of_a_pass(x: np.ndarray, n_classes: int) -> float:
    """The mean of products with the features from both sides, the fastest of five."""
    rows, times = FeatureRows(x), []
    weights = np.ones((n_classes, x.shape[1]), "float32")
    slopes = rows.matmul(weights)
    for _ in range(5):
        start = time.process_time()
        rows.matmul(weights)
        rows.rmatmul(slopes)
        times.append((time.process_time() - start) / 2)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--l2-reg", type=float, default=1e-3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, folder = arguments.child
        print(json.dumps(list(compete(name, Path(folder), arguments.l2_reg))))
        return
    with TemporaryDirectory() as folder:
        title = prepare(
            arguments.data, arguments.features, arguments.rows, arguments.width, Path(folder)
        )
        x, labels = (np.load(Path(folder, f"{each}.npy")) for each in ("train", "train_labels"))
        a_pass = seconds_of_a_pass(x, len(np.unique(labels)))
        del x
        print(f"{title}, l2_reg {arguments.l2_reg:g}; a pass takes {a_pass:.3f} s\n")
        print("| | s | tolerance | passes | s / passes alone | peak GiB |\n|" + " --- |" * 6)
        for name in CONTENDERS:
            command = [sys.executable, "-m", "benchmarks.svm", str(arguments.data), "--l2-reg"]
            command += [str(arguments.l2_reg), "--child", name, folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            fits = json.loads(done.stdout)
            goal = (1 + ENOUGH) * min(fit["objective"] for fit in fits)
            best = min(
                (fit for fit in fits if fit["objective"] <= goal), key=lambda fit: fit["seconds"]
            )
            alone = f"{best['seconds'] / (best['passes'] * a_pass):.1f}" if best["passes"] else ""
            cells = [name, f"{best['seconds']:.1f}", f"{best['tolerance']:g}"]
            cells += [f"{best['passes']:g}" if best["passes"] else "", alone, f"{best['gib']:.2f}"]
            print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
