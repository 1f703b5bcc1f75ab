"""A search as its processes: server, driver and workers, to be killed one by one."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from hpconv.files import write_json
from hpconv.mongodb.connection_file import await_server
from hpconv.mongodb.uri import from_file
from hpconv.storage.store import Store
from hpconv.trials import hyperparameters, read
from tests.conftest import start_server

MODEL = {
    "engine": "cpu",  # to look for another one takes a second in each worker
    "output_sizes": [12, 16],
    "max_layer_sizes": [],
    "n_patches": 500,
    "max_n_features": 300,
    "max_row_elements": 50_000,
    "n_unsupervised": 100,
    "batch_size": 200,
}
BUDGET = {"trial_seconds": 60, "images_per_second": 1, "trial_memory_mb": 4096}
SEARCH = {"algorithm": "tpe", "startup_trials": 4, "seed": 1, "patience_minutes": 2}
EXPERIMENT = "faults"
DELIVERED = re.compile(r"trial (\d+): (?:loss|failed|stopped)")


class Search:
    """One experiment in a folder; every process has a log there."""

    def __init__(
        self, folder: Path, data: Path, max_evals: int, rungs: tuple[float, ...] = ()
    ) -> None:
        self.folder, self.max_evals, self.rungs = folder, max_evals, rungs
        self._data = data
        self._processes: list[subprocess.Popen] = []
        self.start_server()
        self.store = Store(from_file(self.connection), EXPERIMENT)  # finds a new server by itself

    @property
    def connection(self) -> Path:
        return self.folder / "connection.json"

    def start_server(self) -> None:
        self.server = start_server(self.folder)
        self._processes.append(self.server)
        await_server(self.connection)

    def driver(self) -> subprocess.Popen:
        """Start a driver."""
        search = SEARCH | BUDGET | {"max_evals": self.max_evals, "rungs": self.rungs}
        config = self.folder / "config.json"
        write_json(config, {"experiment": EXPERIMENT, "model": MODEL, "search": search})
        options = ["--config", str(config), "--data", str(self._data)]
        options += ["--summary", str(self.folder / "summary.json"), "--output", str(self.history)]
        return self._start("driver", *options)

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    def worker(self, name: str) -> subprocess.Popen:
        """Start a worker."""
        record = ["--output", str(self.folder / f"{name}.json")]
        options = ["--exp-key", EXPERIMENT, "--workdir", str(self.folder), *record]
        return self._start("worker", *options, log=name)

    def _start(self, verb: str, *options: str, log: str = "driver") -> subprocess.Popen:
        command = [sys.executable, "-m", "hpconv", verb, "--connection", str(self.connection)]
        command += options
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as in a workflow's job
        with self.log(log).open("a") as file:
            process = subprocess.Popen(command, stderr=file, env=os.environ | threads)
        self._processes.append(process)
        return self._processes[-1]

    def log(self, name: str) -> Path:
        """What a process has said."""
        return self.folder / f"{name}.log"

    def finished(self) -> int:
        """How many trials have ended by now."""
        return len(self.store.finished())

    def kill_mongod(self) -> None:
        """As the kernel does when memory runs out."""
        for child in psutil.Process(self.server.pid).children():
            child.kill()

    def kill_server(self) -> None:
        """mongod and its supervisor, as when their node is lost."""
        children = psutil.Process(self.server.pid).children()
        self.server.kill()
        for process in children:
            process.kill()
        self.server.wait()

    def check(self, *workers: str) -> list[dict[str, Any]]:
        """All trials of a search that has ended: each finished once, none lost or made up.

        Args:
            workers: those whose deliveries must be the trials that are theirs.
        """
        trials = read(self.history)
        assert [trial["tid"] for trial in trials] == list(range(self.max_evals))
        assert [trial for trial in trials if trial["state"] != 2] == []
        points = [str(sorted(hyperparameters(trial).items())) for trial in trials]
        assert len(set(points)) == self.max_evals
        for worker in workers:
            said = [int(tid) for tid in DELIVERED.findall(self.log(worker).read_text())]
            owners = {trial["owner"] for trial in trials if trial["tid"] in said}
            assert len(owners) == bool(said)
            assert sorted(said) == [trial["tid"] for trial in trials if trial["owner"] in owners]
            record = self.folder / f"{worker}.json"
            assert not record.exists() or json.loads(record.read_text())["finished"] == len(said)
        return trials

    def check_rungs(self, trials: list[dict[str, Any]]) -> None:
        """Some trials were stopped at a rung, and all others that succeeded reached all rungs."""
        results = [trial["result"] for trial in trials if trial["result"]["status"] == "ok"]
        stopped = [result for result in results if "stopped_at" in result]
        assert stopped
        for result in stopped:
            last = result["rungs"][-1]
            assert (result["stopped_at"], result["loss"]) == (last["share"], last["loss"])
        shares = [[rung["share"] for rung in r["rungs"]] for r in results if r not in stopped]
        assert [reached for reached in shares if tuple(reached) != self.rungs] == []

    def end(self) -> None:
        """Leave nothing behind: the server last, the others want to tell it."""
        self.store.connection.close()
        for process in self._processes:
            if process is not self.server and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            if process is not self.server:
                process.wait(180)
        if self.server.poll() is None:
            self.kill_server()  # nobody reads its files again: no need to wait for them
