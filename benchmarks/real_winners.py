"""Winners of real searches: validation and test errors, paired by seed with random search.

    OMP_NUM_THREADS=1 python -m benchmarks.real_winners data.h5 FOLDER > table.md

Tests the winners of the searches in a folder of ``benchmarks.real_searches``, chosen by validation
error and by rechecking the best candidates; ``judged.json`` keeps the errors.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.real_searches import ARMS, completed
from benchmarks.recheck import BEST, measure
from benchmarks.samplers.make_tables import MODEL
from hpconv import trials
from hpconv.files import write_json

KINDS = ("validation", "test", "test, rechecked")


def judge(place: Path, data: Path, n_best: int) -> dict[str, float]:
    """Errors of a search's winners, without and with rechecking its best candidates."""
    best = trials.best_per_pipeline(completed(place))[:n_best]
    errors = np.array([measure(trials.hyperparameters(trial), data, MODEL) for trial in best])
    means = errors[:, 1:-1].mean(axis=1)
    return {
        "validation": trials.validation_error(best[0]),
        "test": errors[0, -1],
        "test, rechecked": errors[np.argmin(means), -1],
    }


def seconds_to(place: Path, error: float) -> float:
    """Processor seconds until a search reached an error; infinite if it never did."""
    lines = map(json.loads, (place / "progress.jsonl").read_text().splitlines())
    reached = (line["seconds"] for line in lines if (line["best"] or 1) <= error)
    return next(reached, float("inf"))


def table(folder: Path, judged: dict[str, dict[str, float]], rival: str = "random") -> None:
    """Print the errors of all searches, paired by seed with random ones."""
    arms = {arm: {n: e for n, e in judged.items() if n.rpartition("-")[0] == arm} for arm in ARMS}
    print("| | seeds | validation | test | rechecked | p | s to random's | reached |")
    print("|" + " --- |" * 8)
    for arm, searches in arms.items():
        pairs = [(n, n.replace(arm, rival)) for n in searches if n.replace(arm, rival) in judged]
        errors = [(searches[n]["validation"], judged[other]["validation"]) for n, other in pairs]
        differences = [error - goal for error, goal in errors]
        p = f"{wilcoxon(differences).pvalue:.3f}" if any(differences) else ""
        times = [seconds_to(folder / n, judged[other]["validation"]) for n, other in pairs]
        columns = [spread([each[kind] for each in searches.values()]) for kind in KINDS]
        reached = f"{np.isfinite(times).sum()} of {len(times)}"
        cells = [arm, len(searches), *columns, p, f"{np.median(times):.0f}", reached]
        print("|", " | ".join(map(str, cells)), "|")


def spread(errors: Sequence[float]) -> str:
    """Mean and standard error in per cent."""
    error = f" ± {100 * np.std(errors, ddof=1) / len(errors) ** 0.5:.2f}" if errors[1:] else ""
    return f"{100 * np.mean(errors):.2f}{error}"


def judge_all(data: Path, folder: Path, n_best: int) -> dict[str, dict[str, float]]:
    """Errors of the winners by search; ``judged.json`` keeps them."""
    path = folder / "judged.json"
    judged = json.loads(path.read_text()) if path.exists() else {}
    for place in sorted(folder.glob("*-*")):
        if place.name not in judged:
            judged[place.name] = judge(place, data, n_best)
            write_json(path, judged)
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--best", type=int, default=BEST, help="candidates that are rechecked")
    arguments = parser.parse_args()
    table(arguments.folder, judge_all(arguments.data, arguments.folder, arguments.best))


if __name__ == "__main__":
    main()
