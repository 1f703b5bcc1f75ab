"""What a search costs besides its trials: waiting workers, the driver, the queue.

    make test        # or only: make .venv/pymongo-3
    python -m benchmarks.search > tables.md

hpconv against hyperopt's own driver and workers (on the pymongo that they need), one after the
other in one run on one server. The objective sleeps, so that only the overhead is left.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import psutil
from hyperopt import hp
from hyperopt.base import JOB_STATE_DONE, Domain

from benchmarks.search_peer import SECONDS, SPACE, TRIALS, WORKERS, nap
from hpconv.config import SearchSettings
from hpconv.mongodb.connection_file import await_server
from hpconv.mongodb.uri import from_file
from hpconv.search.driver import Driver
from hpconv.storage.store import Store

ROOT = Path(__file__).parents[1]
PYMONGO_3 = ROOT / ".venv/pymongo-3"
MODULE, PEER = "benchmarks.search", "benchmarks.search_peer"
NOOP_PROCESSES, NOOP_TRIALS = 50, 5000
ARRIVALS = 40


@contextmanager
def running(count: int, *command: str, **environment: str) -> Iterator[list[psutil.Popen]]:
    """Several processes of one Python command, ended with the block."""
    started = [
        psutil.Popen(
            [sys.executable, *command],
            env=os.environ | environment,
            cwd=tempfile.gettempdir(),  # hyperopt's workers write a log where they are
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def drive(connection: Path, name: str) -> None:
    """hpconv's driver, in a process of its own."""
    settings = SearchSettings("tpe", TRIALS, startup_trials=20, seed=1, patience_minutes=5)
    Driver(Store(from_file(connection), name), Domain(nap, SPACE), settings, "x").run()


def idle_share(store: Store) -> float:
    """The share of the workers' time, from their first trial to their last, without a trial."""
    first: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    trials = store.finished()
    for trial in trials:
        owner = str(trial["owner"])
        first[owner] = min(trial["book_time"], first.get(owner, trial["book_time"]))
        last[owner] = max(trial["refresh_time"], last.get(owner, trial["refresh_time"]))
    span = sum((last[owner] - first[owner]).total_seconds() for owner in first)
    return 1 - len(trials) * SECONDS / span


def search(connection: Path, name: str, driver: list[str], worker: list[str], path: str) -> None:
    """A whole search; prints a row of the table."""
    store = Store(from_file(connection), name)
    with running(WORKERS, *worker, PYTHONPATH=path), running(1, *driver, PYTHONPATH=path) as (led,):
        while not store.count(JOB_STATE_DONE):
            time.sleep(0.05)
        start, before = time.perf_counter(), sum(led.cpu_times()[:2])
        while store.count(JOB_STATE_DONE) < TRIALS - WORKERS:
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        driver_share = (sum(led.cpu_times()[:2]) - before) / seconds
        while store.count(JOB_STATE_DONE) < TRIALS:
            time.sleep(0.05)
    print(f"| {name} | {idle_share(store):.2%} | {driver_share:.1%} |")


def noops(connection: Path, name: str) -> None:
    """Take and finish trials that do nothing, until there are none."""
    store = Store(from_file(connection), name)
    owner = f"noop:{os.getpid()}"
    while (trial := store.reserve(owner)) is not None:
        store.finish(trial, owner, {"status": "ok", "loss": 0.0})


def throughput(connection: Path, name: str, command: list[str], path: str) -> None:
    """NOOP_PROCESSES at work on NOOP_TRIALS; prints a row of the table."""
    store = Store(from_file(connection), f"noops-{name}")
    misc = {"cmd": None, "idxs": {}, "vals": {}}
    for tid in range(NOOP_TRIALS):
        store.insert({"tid": tid, "spec": None, "misc": misc, "result": {"status": "new"}})
    with running(NOOP_PROCESSES, *command, PYTHONPATH=path):
        while store.count(JOB_STATE_DONE) < NOOP_TRIALS:
            time.sleep(0.1)
    ends = sorted(trial["book_time"] for trial in store.finished())
    # from the tenth to the last: processes take a while to start
    rate = 0.9 * NOOP_TRIALS / (ends[-1] - ends[NOOP_TRIALS // 10]).total_seconds()
    print(f"| {name} | {rate:.0f} |")


def latency(connection: Path) -> None:
    """How soon an idle worker takes a trial that appears; prints a line."""
    name = "latency"
    store = Store(from_file(connection), name)
    store.search.open("x", "driver")
    store.attachments.put_objective(Domain(abs, hp.uniform("x", 0, 1)))
    worker = ["-m", "hpconv", "worker", "--connection", str(connection), "--exp-key", name]
    chance, waits = random.Random(1), []
    with running(1, *worker):
        for tid in range(1 + ARRIVALS):
            time.sleep(chance.uniform(0.5, 1.5) if tid else 0)
            misc = {"tid": tid, "cmd": ["domain_attachment", "FMinIter_Domain"]}
            misc |= {"workdir": None, "idxs": {"x": [tid]}, "vals": {"x": [0.5]}}
            appeared = datetime.now(UTC).replace(tzinfo=None)
            store.insert({"tid": tid, "spec": None, "misc": misc, "result": {"status": "new"}})
            while not (ended := store.finished([tid])):
                time.sleep(0.02)
            waits.append((ended[0]["book_time"] - appeared).total_seconds())
    waits = sorted(waits[1:])  # the first waited for the worker to start
    print(f"{ARRIVALS} arrivals: median {median(waits):.3f} s, longest {waits[-1]:.3f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        connection = Path(folder, "connection.json")
        server = ["-m", "hpconv", "mongod", "start", "--dbpath", f"{folder}/db"]
        server += ["--connection", str(connection), "--log", f"{folder}/log"]
        with running(1, *server):
            place = urlsplit(await_server(connection)).netloc
            measure(connection, f"mongo://{place}/hpconv/jobs?authSource=admin")


def measure(connection: Path, queue: str) -> None:
    """All tables."""
    path, old = str(ROOT), os.pathsep.join([str(PYMONGO_3), str(ROOT)])
    where = str(connection)
    print(f"{WORKERS} workers, trials of {SECONDS:g} s:\n")
    print("| | workers idle | driver, of a core |\n| --- | --- | --- |")
    worker = ["-m", "hpconv", "worker", "--connection", where, "--exp-key", "hpconv"]
    search(connection, "hpconv", ["-m", MODULE, "drive", where, "hpconv"], worker, path)
    worker = ["-m", PEER, "work", queue, "hyperopt"]
    search(connection, "hyperopt", ["-m", PEER, "drive", queue, "hyperopt"], worker, old)
    print(f"\n{NOOP_PROCESSES} processes, trials that do nothing:\n")
    print("| | trials/s |\n| --- | --- |")
    throughput(connection, "hpconv", ["-m", MODULE, "noops", where, "noops-hpconv"], path)
    throughput(connection, "hyperopt", ["-m", PEER, "noops", queue, "noops-hyperopt"], old)
    print("\nAn idle worker and a trial that appears:\n")
    latency(connection)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        verb, place, experiment = sys.argv[1:]
        {"drive": drive, "noops": noops}[verb](Path(place), experiment)
    else:
        main()
