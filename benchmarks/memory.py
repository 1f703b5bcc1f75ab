"""Predicted against measured peak memory of random candidates.

    python -m benchmarks.memory config/cifar10.yaml data.h5 --count 150 > table.tsv

Random candidates of the configuration's space run on a data file, each in a process that is forked
after the imports and the warm-up; what its memory grows by is measured. Candidates that sizes or
the warp refuse are drawn again.
"""

import argparse
import multiprocessing
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hyperopt import Trials, rand
from hyperopt.base import Domain

from hpconv.config import UNLIMITED, ModelSettings, resolve
from hpconv.datasets.protocols import Selection
from hpconv.engines import warm_up
from hpconv.errors import CandidateError
from hpconv.model.pipeline import describe
from hpconv.model.space import search_space
from hpconv.objective.budget import count, predict
from hpconv.objective.objective import evaluate
from hpconv.trials import hyperparameters

MIB = 2**20


def resident_bytes(kind: str) -> int:
    """This process's memory: VmRSS now, or VmHWM at its peak."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def run(pipe: Any, assignment: dict[str, Any], selection: Selection, model: ModelSettings) -> None:
    """Evaluate in this process and send the growth of its memory, and how it ended."""
    before = resident_bytes("VmRSS")
    result = evaluate(assignment, selection, model, UNLIMITED)
    grown = resident_bytes("VmHWM") - before
    pipe.send((grown, result.get("failure", {}).get("kind", "ok")))


def measure(assignment: dict[str, Any], selection: Selection, model: ModelSettings) -> Any:
    """The growth in bytes and the outcome of a candidate in a process of its own."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=run, args=(sender, assignment, selection, model))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def main() -> None:
    """Print a line for each candidate, and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    model = replace(resolve(yaml.safe_load(options.config.read_text())).model, engine="cpu")
    warm_up("cpu")
    selection = Selection(options.data)
    domain = Domain(lambda _: 0.0, search_space(model.output_sizes, model.max_layer_sizes))
    ratios: list[float] = []
    tid, end = 0, time.time() + options.seconds
    print("exit", "predicted", "measured", "ratio", "outcome", "by part (MiB)", sep="\t")
    while len(ratios) < options.count and time.time() < end:
        (trial,) = rand.suggest([tid], domain, Trials(), options.seed + tid)
        tid, assignment = tid + 1, hyperparameters(trial)
        try:
            pipeline = describe(assignment, selection.images.shape[1:], model)
        except CandidateError:
            continue
        parts = predict(pipeline, count(selection), model)
        measured, outcome = measure(assignment, selection, model)
        ratios.append(max(parts.values()) / measured)
        sizes = " ".join(f"{name}={size / MIB:.0f}" for name, size in parts.items())
        columns = [f"{max(parts.values()) / MIB:.0f}", f"{measured / MIB:.0f}", f"{ratios[-1]:.2f}"]
        print(assignment["exit"], *columns, outcome, sizes, sep="\t", flush=True)
    low, middle, high = np.quantile(ratios, [0, 0.5, 1])
    print(f"{len(ratios)} candidates: least {low:.2f}, median {middle:.2f}, most {high:.2f}")


if __name__ == "__main__":
    main()
