"""Compares samplers on surrogates of tables of real trials.

    export OMP_NUM_THREADS=1
    python -m benchmarks.samplers RESULTS --kinds boosting kernel --samplers random tpe forest
    python -m benchmarks.samplers.compare RESULTS

Each simulated search appends a line of JSON to RESULTS: the lowest errors (without noise) after
numbers of trials. Seeds are the outermost loop, so that partial results can be compared; searches
that RESULTS has are skipped. Random search continues until three times the trials.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path

import optuna
from scipy.special import expit

from benchmarks.samplers.compare import KEYS, read
from benchmarks.samplers.contenders import Forest, Parzen, Random
from benchmarks.samplers.make_tables import MODELS
from benchmarks.samplers.optuna_contenders import SAMPLERS as OPTUNA
from benchmarks.samplers.optuna_contenders import Optuna
from benchmarks.samplers.simulate import Contender, search
from benchmarks.samplers.surrogate import LEARNERS, Surrogate

TABLES = Path(__file__).parents[1] / "tables"
SHAPES = {"digits": (1, 8, 8), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
POINTS = (50, 100, 200, 300, 400, 600, 1200)  # numbers of trials
OURS = {"random": Random, "tpe": Parzen, "forest": Forest}


def surrogate(table: str, kind: str) -> Surrogate:
    """The surrogate of a table; its quality is printed."""
    model = MODELS["folder" if table == "cifar10" else table]
    made = Surrogate(TABLES / f"{table}.jsonl.gz", SHAPES[table], model, kind)
    print(json.dumps({"table": table, "kind": kind} | made.quality), flush=True)
    return made


def contender(name: str, made: Surrogate, seed: int) -> Contender:
    if name in OURS:
        return OURS[name](made.graph)
    return Optuna(made.graph, OPTUNA[name](seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--kinds", nargs="+", default=["boosting", "kernel"], choices=LEARNERS)
    parser.add_argument("--samplers", nargs="+", default=list(OURS), choices=[*OURS, *OPTUNA])
    parser.add_argument("--workers", type=int, nargs="+", default=[8])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(50)))
    told = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    done = {key for key, row in read(told.results).items() if str(told.trials) in row["errors"]}
    surrogates = {key: surrogate(*key) for key in product(told.tables, told.kinds)}
    for seed, *key, workers, name in product(
        told.seeds, told.tables, told.kinds, told.workers, told.samplers
    ):
        if (*key, workers, name, seed) in done:
            continue
        made, start = surrogates[*key], time.process_time()
        n_trials = told.trials * (3 if name == "random" else 1)
        losses = search(contender(name, made, seed), made, n_trials, workers, seed)
        seconds = (time.process_time() - start) / n_trials
        errors = {str(p): round(float(expit(losses[p - 1])), 5) for p in POINTS if p <= n_trials}
        about = dict(zip(KEYS, (*key, workers, name, seed), strict=True))
        with told.results.open("a") as file:
            file.write(json.dumps(about | {"errors": errors, "seconds": round(seconds, 5)}) + "\n")


if __name__ == "__main__":
    main()
