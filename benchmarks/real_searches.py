"""Real searches that compute for the same processor time.

    OMP_NUM_THREADS=1 python -m benchmarks.real_searches data.h5 FOLDER --seconds 240

Drives each search of ``ARMS`` with one worker, seed after seed, until driver and worker have used
this much processor time; with more seconds the same searches continue. ``benchmarks.real_winners``
tests their winners and prints the table.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.samplers.make_tables import MODEL
from hpconv import trials
from hpconv.config import resolve, to_json
from hpconv.files import write_json
from hpconv.mongodb.connection_file import await_server
from hpconv.trials import Trial

ARMS: dict[str, dict[str, Any]] = {
    "random": {"algorithm": "random"},
    "tpe": {"algorithm": "tpe"},
    "forest": {"algorithm": "forest"},
    "tpe-rungs": {"algorithm": "tpe", "rungs": [0.1, 0.3]},
    "forest-rungs": {"algorithm": "forest", "rungs": [0.1, 0.3]},
}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=240, help="of the processor, per search")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(exist_ok=True)
    server = ["--dbpath", folder / "db", "--log", folder / "mongod.log"]
    server += ["--connection", folder / "connection.json"]
    with running("mongod", "start", *server, log=folder / "server.log"):
        await_server(folder / "connection.json")
        for seed in arguments.seeds:
            for arm in arguments.arms:
                run(arm, seed, arguments.data, folder, arguments.seconds)


if __name__ == "__main__":
    main()
