"""Prints the tables of ``python -m benchmarks.samplers``: ``... .compare RESULTS [--trials 200]``.

For each table and surrogate: mean lowest errors, and gains over random search with as many and
three times as many trials and over hyperopt's TPE, paired by seed, with the standard error and
Wilcoxon's p.
"""

import argparse
import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

KEYS = ("table", "kind", "workers", "sampler", "seed")
Key = tuple[str, str, int, str, int]
RIVALS = {"random": ("random", 1), "random, 3 times": ("random", 3), "tpe": ("tpe", 1)}


def read(results: Path) -> dict[Key, dict[str, Any]]:
    """The latest row of each search."""
    lines = results.read_text().splitlines() if results.exists() else []
    rows = map(json.loads, lines)
    return {tuple(row[name] for name in KEYS): row for row in rows}  # type: ignore[misc]


def gain(mine: Mapping[int, float], its: Mapping[int, float]) -> str:
    """Mean difference of errors by seed, its standard error, and Wilcoxon's p."""
    seeds = sorted(mine.keys() & its.keys())
    if len(seeds) < 2:
        return ""
    gains = np.array([its[seed] - mine[seed] for seed in seeds])
    spread = gains.std(ddof=1) / len(gains) ** 0.5
    return f"{gains.mean():.4f} ± {spread:.4f}, p {wilcoxon(gains).pvalue:.2g}"


def table(found: Mapping[str, Mapping[int, dict[str, Any]]], trials: int) -> None:
    """Print a row per sampler, from rows by sampler and seed."""

    def errors(sampler: str, number: int) -> dict[int, float]:
        rows = found.get(sampler, {}).items()
        return {s: row["errors"][str(number)] for s, row in rows if str(number) in row["errors"]}

    points = [point for point in (50, 100, 200, 400) if point <= trials]
    header = ["", "seeds", *map(str, points), *(f"gain over {name}" for name in RIVALS), "ms"]
    lines = [header, ["---"] * len(header)]
    for sampler in found:
        last = errors(sampler, trials)
        if not last:
            continue
        means = [f"{np.mean(list(errors(sampler, p).values())):.4f}" for p in points]
        gains = [
            "" if name == sampler else gain(last, errors(name, times * trials))
            for name, times in RIVALS.values()
        ]
        cost = 1e3 * np.median([row["seconds"] for row in found[sampler].values()])
        lines.append([f"`{sampler}`", str(len(last)), *means, *gains, f"{cost:.1f}"])
    for line in lines:
        print("| " + " | ".join(line) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    told = parser.parse_args()
    for about, group in groupby(sorted(read(told.results).items()), lambda item: item[0][:3]):
        found: dict[str, dict[int, dict[str, Any]]] = {}
        for (*_, sampler, seed), row in group:
            found.setdefault(sampler, {})[seed] = row
        print("\n{}, {}, workers: {}\n".format(*about))
        table(found, told.trials)


if __name__ == "__main__":
    main()
