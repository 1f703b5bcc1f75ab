"""Chances of an improvement that ``hpconv status`` states, against the share that improved.

``python -m benchmarks.outlook`` draws searches of n random trials, and 100 more, from the tables.
"""

import argparse
import gzip
import json
import math
from pathlib import Path

import numpy as np

from hpconv.status.outlook import MORE, chance_of_improvement

TABLES = Path(__file__).with_name("tables")
EXAMPLES = {"cifar10": 3000, "fashion-mnist": 2000, "digits": 900}  # for validation
TRIALS = (30, 60, 120, 240)


def losses(name: str) -> np.ndarray:
    """The losses in a table, infinite for failures."""
    with gzip.open(TABLES / f"{name}.jsonl.gz", "rt") as file:
        found = [json.loads(line).get("loss") for line in file]
    return np.array([math.inf if loss is None else loss for loss in found])


def measure(name: str, trials: int, searches: int) -> tuple[float, float]:
    """The mean of the stated chances, and the share of searches that improve by more."""
    rng, table, found = np.random.default_rng(0), losses(name), []
    for _ in range(searches):
        errors = rng.choice(table, trials + MORE, replace=False)
        past, best = errors[:trials], errors[:trials].min()
        noise = math.sqrt(best * (1 - best) / EXAMPLES[name])
        chance = chance_of_improvement(past, noise, MORE)
        if chance is not None:
            found.append((chance, errors[trials:].min() < best - noise))
    stated, improved = np.mean(found, axis=0)
    return float(stated), float(improved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=2000)
    searches = parser.parse_args().searches
    print("| table |" + "".join(f" after {trials} trials |" for trials in TRIALS))
    print("| --- |" + " --- |" * len(TRIALS))
    for name in EXAMPLES:
        found = [measure(name, trials, searches) for trials in TRIALS]
        cells = "".join(f" {stated:.0%}, {improved:.0%} |" for stated, improved in found)
        print(f"| {name} |{cells}".replace("%", " %"))


if __name__ == "__main__":
    main()
