"""The driver: suggests trials, keeps the workers busy, and exports the history at the end."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hyperopt import Trials, anneal, rand, tpe
from hyperopt.base import Domain

from hpconv import space
from hpconv.candidate import ModelSettings
from hpconv.errors import UserError
from hpconv.files import replacing
from hpconv.store import Document, Store
from hpconv.trials import error_line

POLL_SECONDS = 0.2
REPORT_SECONDS = 5.0
PARTING_SECONDS = 10.0  # for workers to notice that the search is over
HOW_NOT_WHAT = ("engine", "batch_size")  # settings of a model that change no result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchSettings:
    """What the driver needs of the section ``search`` of a configuration."""

    algorithm: str
    max_evals: int
    startup_trials: int
    seed: int
    patience_minutes: float


class Driver:
    """Fills an experiment's queue from its history until enough trials have finished."""

    def __init__(self, store: Store, model: ModelSettings, settings: SearchSettings) -> None:
        self._store = store
        self._model = model
        self._settings = settings
        graph = space.search_space(model.output_sizes, model.max_layer_sizes)
        self._domain = Domain(lambda assignment: 0.0, graph)  # workers evaluate, not hyperopt
        self._finished: list[Document] = []
        self._trials = Trials(exp_key=store.exp_key)  # the same, as the algorithms read it
        self._suggest = _algorithm(settings)
        self._last_seen_worker = self._last_report = time.monotonic()

    def run(self) -> None:
        """Search; on return ``max_evals`` trials have finished and the workers are leaving.

        Raises:
            UserError: when no worker shows up, or the last one has ended on an error.
        """
        self._refresh()
        while len(self._finished) < self._settings.max_evals:
            self._store.requeue_silent()
            self._fill_queue(self._watch_workers())
            time.sleep(POLL_SECONDS)
            self._refresh()
            self._report()
        self._report(final=True)
        self._store.close_search()
        self._see_workers_off()

    def _refresh(self) -> None:
        """Read the trials that ended since the last look."""
        known = {doc["tid"] for doc in self._finished}
        since = max((doc["refresh_time"] for doc in self._finished), default=None)
        new = [doc for doc in self._store.finished(since) if doc["tid"] not in known]
        self._finished.extend(new)
        self._trials._insert_trial_docs(new)
        self._trials.refresh()

    def _watch_workers(self) -> int:
        live = self._store.live_workers()
        now = time.monotonic()
        if live:
            self._last_seen_worker = now
        elif self._finished and "error" in (last := self._finished[-1]):
            reason = error_line(last["error"])
            raise UserError(f"no worker is left, the last trial ended in an error: {reason}")
        elif now - self._last_seen_worker > self._settings.patience_minutes * 60:
            raise UserError(
                f"no worker was seen for {self._settings.patience_minutes:g} minutes "
                "(search.patience_minutes): see the workers' logs and the queue"
            )
        return live

    def _fill_queue(self, live_workers: int) -> None:
        # one trial a worker, half as many in reserve so that nobody waits for a suggestion;
        # a single worker gets no reserve: each suggestion then knows all results before it
        wanted = max(1, live_workers) + live_workers // 2
        # a trial that ended since the last look still counts as waiting: never one too many
        begun = self._store.count()
        missing = min(wanted - (begun - len(self._finished)), self._settings.max_evals - begun)
        for _ in range(missing):
            self._store.insert(self._next_trial())

    def _next_trial(self) -> Document:
        tid = self._store.next_tid()
        # the tid is part of the seed: a driver that resumes repeats no suggestion
        seed = int(np.random.SeedSequence([self._settings.seed, tid]).generate_state(1)[0])
        (trial,) = self._suggest([tid], self._domain, self._trials, seed)
        trial["misc"]["model"] = vars(self._model)  # a trial says all that rebuilds its pipeline
        return _plain({key: trial[key] for key in ("tid", "spec", "result", "misc")})

    def _see_workers_off(self) -> None:
        deadline = time.monotonic() + PARTING_SECONDS
        while self._store.live_workers() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _report(self, final: bool = False) -> None:
        now = time.monotonic()
        if final or now - self._last_report > REPORT_SECONDS:
            self._last_report = now
            workers = self._store.live_workers()
            log.info("%s, %d workers", progress(self._finished, self._settings), workers)


def progress(trials: list[Document], settings: SearchSettings) -> str:
    """One line on how far a search is."""
    losses = [(doc["result"]["loss"], doc["tid"]) for doc in trials if "loss" in doc["result"]]
    failed = len(trials) - len(losses)
    best = f"{min(losses)[0]:.2%} (trial {min(losses)[1]})" if losses else "none yet"
    return f"{len(trials)}/{settings.max_evals} trials, {failed} failed, best error {best}"


def _algorithm(settings: SearchSettings) -> Callable[..., list[Document]]:
    logging.getLogger("hyperopt").setLevel(logging.WARNING)
    if settings.algorithm == "tpe":
        return partial(tpe.suggest, n_startup_jobs=settings.startup_trials, verbose=False)
    return {"random": rand.suggest, "anneal": anneal.suggest}[settings.algorithm]


def _plain(value: Any) -> Any:
    """The same value in plain Python numbers, as MongoDB wants them."""
    return json.loads(json.dumps(value, default=lambda scalar: scalar.item()))


def fingerprint(data_checksum: str, model: ModelSettings) -> str:
    """A short name for what a search is about; another one means another search."""
    bounds = {key: value for key, value in vars(model).items() if key not in HOW_NOT_WHAT}
    return hashlib.sha256(json.dumps([data_checksum, bounds]).encode()).hexdigest()[:16]


def export(trials: Iterable[Document], path: Path) -> None:
    """Write trials to a file, one JSON document a line."""
    with replacing(path) as unfinished, unfinished.open("w") as file:
        for trial in trials:
            document = {key: value for key, value in trial.items() if key != "_id"}
            file.write(json.dumps(document, default=str) + "\n")
