"""Compares samplers on surrogates of tables of real trials.

    OMP_NUM_THREADS=1 python -m benchmarks.samplers cifar10 --kind boosting --seeds 20 > results

Prints a line of JSON per sampler: the mean lowest error (without noise) by number of trials, its
standard error, and at the last number the mean difference and Wilcoxon's p, paired by seed,
against hyperopt's TPE, random search, and random search with three times the trials. Optuna's
samplers run only if ``--samplers`` names them, as they are slow.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from scipy.special import expit
from scipy.stats import wilcoxon

from benchmarks.samplers.contenders import STARTUP, Forest, Parzen, Random
from benchmarks.samplers.make_tables import MODELS
from benchmarks.samplers.optuna_contenders import Optuna
from benchmarks.samplers.simulate import Contender, search
from benchmarks.samplers.surrogate import Surrogate

TABLES = Path(__file__).parents[1] / "tables"
SHAPES = {"digits": (1, 8, 8), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
POINTS = (50, 100, 200, 400, 600, 1200)


def tpe(**settings: Any) -> Callable[[int], Any]:
    return lambda seed: optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed, **settings)


OPTUNA: dict[str, Callable[[int], Any]] = {
    "optuna": tpe(),
    "optuna-group": tpe(multivariate=True, group=True, constant_liar=True),
}
SAMPLERS: dict[str, Callable[[Any, int], Contender]] = {
    "random": lambda graph, seed: Random(graph),
    "tpe": lambda graph, seed: Parzen(graph, pending=False),
    "hyperopt": lambda graph, seed: Parzen(graph, pending=True),
    "forest": lambda graph, seed: Forest(graph),
} | {
    name: lambda graph, seed, new=new: Optuna(graph, new, seed)  # type: ignore[misc]
    for name, new in OPTUNA.items()
}


def measure(
    surrogate: Surrogate, name: str, n_trials: int, workers: int, seeds: range
) -> tuple[np.ndarray, float]:
    """The lowest errors ``(n_seeds, n_trials)``, and seconds per trial."""
    start = time.perf_counter()
    losses = [
        search(SAMPLERS[name](surrogate.graph, seed), surrogate, n_trials, workers, seed)
        for seed in seeds
    ]
    seconds = (time.perf_counter() - start) / (len(seeds) * n_trials)
    return expit(np.minimum(losses, 10)), seconds


def line(name: str, errors: np.ndarray, found: dict[str, np.ndarray]) -> dict[str, Any]:
    """Means, and comparisons with the samplers measured before, at the last number of trials."""
    points = [point for point in POINTS if point <= errors.shape[1]]
    n_seeds, last = len(errors), errors.shape[1]
    rivals = {"hyperopt": last, "random": last, "random x3": 3 * last}
    tests = {}
    for rival, trials in rivals.items():
        other = found.get(rival.split()[0])
        if other is not None and name != "random" and other.shape[1] >= trials:
            count = min(n_seeds, len(other))
            mine, its = errors[:count, last - 1], other[:count, trials - 1]
            tests[f"better than {rival}"] = float(np.mean(its - mine))
            if (mine != its).any():
                tests[f"p {rival}"] = float(wilcoxon(mine, its).pvalue)
    means = {str(p): round(float(errors[:, p - 1].mean()), 4) for p in points}
    deviations = {
        str(p): round(float(errors[:, p - 1].std(ddof=1) / n_seeds**0.5), 4) for p in points
    }
    return {"sampler": name, "seeds": n_seeds, "mean": means, "se": deviations} | tests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=SHAPES)
    parser.add_argument("--kind", choices=("trees", "boosting"), default="trees")
    parser.add_argument("--samplers", nargs="+", default=["random", "hyperopt", "tpe", "forest"])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--save", type=Path, help="folder for the errors of all seeds")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model = MODELS["folder" if arguments.table == "cifar10" else arguments.table]
    path = TABLES / f"{arguments.table}.jsonl.gz"
    surrogate = Surrogate(path, SHAPES[arguments.table], model, arguments.kind)
    about = {"table": arguments.table, "kind": arguments.kind, "workers": arguments.workers}
    print(json.dumps(about | surrogate.quality | {"noise": surrogate.noise}), flush=True)
    found: dict[str, np.ndarray] = {}
    for name in arguments.samplers:
        n_trials = arguments.trials * (3 if name == "random" else 1)
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        errors, seconds = measure(surrogate, name, n_trials, arguments.workers, seeds)
        found[name] = errors
        if arguments.save:
            parts = (arguments.table, arguments.kind, arguments.workers, name, arguments.first)
            path = arguments.save / ("-".join(map(str, parts)) + ".npy")
            np.save(path, errors.astype("float32"))
        row = about | line(name, errors, found) | {"seconds per trial": round(seconds, 4)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
