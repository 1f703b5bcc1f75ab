"""Memory and processor time of readers of long histories: driver, ``best``, ``report``, ``status``.

    python -m benchmarks.histories 20000

The trials are random ones of the published space for 32 x 32 images, with a trace as large as those
of three stages. Each reader is a process of its own.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hyperopt import Trials, rand
from hyperopt.base import JOB_STATE_DONE, Domain

from hpconv.config import SearchSettings
from hpconv.files import write_json
from hpconv.model.space import search_space
from hpconv.mongodb.connection_file import await_server
from hpconv.mongodb.uri import from_file
from hpconv.search.driver import Driver
from hpconv.status.files import StatusFiles
from hpconv.storage.store import Store
from hpconv.trials import to_builtin_types

EXPERIMENT = "histories"
BATCH = 1000
PART = {
    "what": "stage 1 of 3: normalisation 5x5",
    "shape": [20, 32, 32, 64],
    "dtype": "float32",
    **dict.fromkeys(("min", "max", "mean", "std"), 0.1234567),
    "values": [0.1234567] * 3,
    "crc32": "deadbeef",
}
# a process begins with the peak memory of the one that has started it, so that one must be small
MEASURE = """
import os, sys
_, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
seconds = used.ru_utime + used.ru_stime
print(f"{seconds:.1f} s, {used.ru_maxrss / 1024:.0f} MiB, exit status {status >> 8}")
"""
VERSIONS = dict.fromkeys(("python", "hpconv", "engine", "numpy", "scipy", "pytensor"), "1.23.4")


def main() -> None:
    """Fill a database, then measure its readers."""
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        connection = folder / "connection.json"
        places = ("--dbpath", folder / "db", "--connection", connection, "--log", folder / "log")
        server = subprocess.Popen([sys.executable, "-m", "hpconv", "mongod", "start", *places])
        try:
            await_server(connection)
            for step in STEPS:
                report(step, "benchmarks.histories", count, folder, step)
        finally:
            server.terminate()
            server.wait()
        live = folder / "live"
        print(f"live/trials.jsonl: {(live / 'trials.jsonl').stat().st_size / 1e6:.0f} MB")
        for verb in ("status", "best", "report"):
            report(verb, "hpconv", verb, "--experiment", folder)


def report(name: str, *arguments: Any) -> None:
    """Run a module and print its processor time, peak memory and exit status."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", *map(str, arguments)]
    measured = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(f"{name}: {measured.splitlines()[-1]}", flush=True)


def fill(count: int, folder: Path) -> None:
    """Store trials that have ended: the same random ones again and again."""
    store = Store(from_file(folder / "connection.json"), EXPERIMENT)
    drawn = to_builtin_types(rand.suggest(list(range(BATCH)), domain(), Trials(), 0))
    for start in range(0, count, BATCH):
        tids = range(start, min(start + BATCH, count))
        docs = [ended(store.exp_key, tid, doc) for tid, doc in zip(tids, drawn, strict=False)]
        store.connection.db.jobs.insert_many(docs)


def domain() -> Domain:
    """The published space for 32 x 32 images."""
    return Domain(abs, search_space((32, 64), (64, 128)))


def ended(exp_key: str, tid: int, doc: dict[str, Any]) -> dict[str, Any]:
    """A trial with the hyperparameters of another one, and a result."""
    vals = doc["misc"]["vals"]
    idxs = {label: [tid] * len(values) for label, values in vals.items()}
    misc = doc["misc"] | {"tid": tid, "idxs": idxs}
    at = datetime(2024, 1, 1) + timedelta(seconds=tid)
    result = {
        "status": "ok",
        "loss": 0.2 + tid * 37 % 1000 / 1250,
        "feature_shape": [16, 4, 4],
        "engine": "cpu",
        "seconds": {"features": 12.5, "fit": 3.5},
        "trace": {"parts": [PART] * 9, "versions": VERSIONS},
    }
    fields = {"exp_key": exp_key, "owner": "node:1:abc", "book_time": at, "refresh_time": at}
    return doc | fields | {"tid": tid, "state": JOB_STATE_DONE, "misc": misc, "result": result}


def resume(count: int, folder: Path) -> None:
    """What a driver does that finds all trials done."""
    settings = SearchSettings("tpe", max_evals=count, startup_trials=20, seed=1)
    summary = {"search": asdict(settings), "stopped": "it has ended", "lost": [], "workers": 1}
    write_json(folder / "search.json", summary)
    store = Store(from_file(folder / "connection.json"), EXPERIMENT)
    Driver(store, domain(), settings, "", live=StatusFiles(folder / "live")).run()


STEPS: dict[str, Callable[[int, Path], None]] = {"fill": fill, "resume": resume}

if __name__ == "__main__":
    if len(sys.argv) > 2:
        STEPS[sys.argv[3]](int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
