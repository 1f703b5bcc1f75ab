"""Real searches that compute for the same processor time, side by side.

    OMP_NUM_THREADS=1 python -m benchmarks.real_searches run data.h5 FOLDER --seconds 240
    python -m benchmarks.real_searches judge data.h5 FOLDER
    python -m benchmarks.real_searches table FOLDER > table.md

``run`` drives each search of ``ARMS`` with one worker, seed after seed, until driver and worker
have used this much processor time; with more seconds the same searches continue. ``judge`` tests
their winners, chosen by validation error and by rechecking the ten best. ``table`` compares the
searches, paired by seed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.stats import wilcoxon

from benchmarks.recheck import BEST, measure
from hpconv import trials
from hpconv.config import ModelSettings, resolve, to_json
from hpconv.files import write_json
from hpconv.mongodb.connection_file import await_server
from hpconv.trials import Trial

ARMS: dict[str, dict[str, Any]] = {
    "random": {"algorithm": "random"},
    "tpe": {"algorithm": "tpe"},
    "forest": {"algorithm": "forest"},
    "forest-rungs": {"algorithm": "forest", "rungs": [0.1, 0.3]},
}
MODEL = ModelSettings(
    output_sizes=(32,), n_patches=3000, max_n_features=1000, n_unsupervised=300, engine="cpu"
)
SEARCH = {"max_evals": 100_000, "trial_seconds": 60, "images_per_second": 50, "workers": 1}
POLL_SECONDS = 0.5


@contextmanager
def running(*arguments: Any, log: Path) -> Iterator[psutil.Popen]:
    """An ``hpconv`` command, ended with the block."""
    command = [sys.executable, "-m", "hpconv", *map(str, arguments)]
    with log.open("a") as file:
        process = psutil.Popen(command, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def processor_seconds(process: psutil.Popen) -> float:
    """Of a process and its children, also of those that have ended."""
    used = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # its time is now in its parent's
            used += sum(child.cpu_times()[:4])
    return used


def run(arm: str, seed: int, data: Path, folder: Path, seconds: float) -> None:
    """Start or continue a search; ``progress.jsonl`` gets seconds, trials and lowest error."""
    place = folder / f"{arm}-{seed}"
    place.mkdir(exist_ok=True)
    search = SEARCH | ARMS[arm] | {"seed": seed}
    config = resolve({"experiment": place.name, "model": to_json(MODEL), "search": search})
    write_json(place / "config.json", to_json(config))
    used = spent(place)
    if used >= seconds:
        return
    connection = ("--connection", folder / "connection.json")
    driver = [*connection, "--config", place / "config.json", "--data", data, "--live"]
    driver += [place / "live", "--summary", place / "summary.json", "--output", place / "out"]
    worker = [*connection, "--exp-key", place.name, "--workdir", place]
    with (
        running("driver", *driver, log=place / "driver.log") as led,
        running("worker", *worker, log=place / "worker.log") as working,
    ):
        watch(place, [led, working], used, seconds)


def spent(place: Path) -> float:
    """Processor seconds of a search so far."""
    path = place / "progress.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0


def watch(place: Path, processes: list[psutil.Popen], before: float, limit: float) -> None:
    """Record a search's progress until its processes have used as many seconds as allowed."""
    used = before
    while used < limit:
        time.sleep(POLL_SECONDS)
        if any(process.poll() is not None for process in processes):
            raise SystemExit(f"{place}: driver or worker has ended, see its log")
        used = before + sum(map(processor_seconds, processes))
        found = completed(place)
        best = trials.validation_error(found[0]) if found else None
        with (place / "progress.jsonl").open("a") as file:
            file.write(json.dumps({"seconds": used, "trials": len(found), "best": best}) + "\n")


def completed(place: Path) -> list[Trial]:
    """The successful trials so far, lowest validation error first."""
    history = place / "live" / "trials.jsonl"
    return trials.succeeded(trials.read(history)) if history.exists() else []


def judge(place: Path, data: Path) -> dict[str, float]:
    """Errors of a search's winners, without and with rechecking."""
    best = trials.best_per_pipeline(completed(place))[:BEST]
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


def compare(values: dict[str, np.ndarray], rival: str) -> Iterator[str]:
    """Rows of the table: mean and standard error of each arm, Wilcoxon's p against a rival."""
    for arm, found in values.items():
        spread = found.std(ddof=1) / len(found) ** 0.5
        differs = arm != rival and (found != values[rival]).any()
        p = f"{wilcoxon(found, values[rival]).pvalue:.3f}" if differs else ""
        yield f"| {arm} | {100 * found.mean():.2f} ± {100 * spread:.2f} | {p} |"


def table(folder: Path) -> None:
    """Print the comparisons of all searches that have been judged."""
    judged = json.loads((folder / "judged.json").read_text())
    seeds = sorted({name.rsplit("-", 1)[1] for name in judged})
    seeds = [seed for seed in seeds if all(f"{arm}-{seed}" in judged for arm in ARMS)]
    for kind in ("validation", "test", "test, rechecked"):
        values = {arm: np.array([judged[f"{arm}-{seed}"][kind] for seed in seeds]) for arm in ARMS}
        print(f"\n| {kind} error | % | p against random |\n| --- | --- | --- |")
        print("\n".join(compare(values, "random")))
    print("\n| | s to random's final error (median) | seeds that reach it |\n| --- | --- | --- |")
    for arm in ARMS:
        goals = [judged[f"random-{seed}"]["validation"] for seed in seeds]
        places = [folder / f"{arm}-{seed}" for seed in seeds]
        times = list(map(seconds_to, places, goals))
        reached = f"{np.isfinite(times).sum()} of {len(seeds)}"
        print(f"| {arm} | {np.median(times):.0f} | {reached} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("run", "judge", "table"))
    parser.add_argument("paths", type=Path, nargs="+", help="data file (run, judge) and folder")
    parser.add_argument("--seconds", type=float, default=240, help="of the processor, per search")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    arguments = parser.parse_args()
    *data, folder = arguments.paths
    if arguments.step == "table":
        table(folder)
    elif arguments.step == "judge":
        judge_all(data[0], folder, arguments.arms, arguments.seeds)
    else:
        folder.mkdir(exist_ok=True)
        server = ("mongod", "start", "--dbpath", folder / "db", "--log", folder / "mongod.log",
                  "--connection", folder / "connection.json")  # fmt: skip
        with running(*server, log=folder / "server.log"):
            await_server(folder / "connection.json")
            for seed in arguments.seeds:
                for arm in arguments.arms:
                    run(arm, seed, data[0], folder, arguments.seconds)


def judge_all(data: Path, folder: Path, arms: list[str], seeds: list[int]) -> None:
    """Judge the searches that have not been judged yet; ``judged.json`` keeps the errors."""
    path = folder / "judged.json"
    judged = json.loads(path.read_text()) if path.exists() else {}
    for name in (f"{arm}-{seed}" for seed in seeds for arm in arms):
        if name not in judged:
            judged[name] = judge(folder / name, data)
            write_json(path, judged)


if __name__ == "__main__":
    main()
