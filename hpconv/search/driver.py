"""The driver: suggests trials, keeps the workers busy, and exports the history at the end."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperopt.base import Domain
from pymongo.errors import PyMongoError

from hpconv.config import (
    RESULT_NEUTRAL_SETTINGS,
    EnsembleSettings,
    ModelSettings,
    SearchSettings,
)
from hpconv.errors import UserError
from hpconv.features.cache.keys import version
from hpconv.files import replacing
from hpconv.model.space_table import digest
from hpconv.processes import owner_name, poll_until
from hpconv.search.algorithms import HyperoptAlgorithm, new_algorithm
from hpconv.search.redraw import IsFeasible, Suggestion, suggest, suggest_feasible
from hpconv.search.rounds import NO_ENSEMBLE, Rounds
from hpconv.search.status_publisher import StatusPublisher
from hpconv.states import JOB_STATE_NEW, STATUS_NEW
from hpconv.status.files import StatusFiles, as_line
from hpconv.status.progress import Progress
from hpconv.status.record import Show
from hpconv.storage.attachments import OBJECTIVE
from hpconv.storage.store import Store
from hpconv.trials import Assignment, Result, Trial, to_builtin_types
from hpconv.worker.walltime import WalltimeUsed

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.2  # between queries for trials that have ended
HEARTBEAT_SECONDS = 1.0  # between heartbeats, with which leases and workers are checked
EXIT_SECONDS = 10.0  # for workers to notice that the search is over
RECONNECT_SECONDS = 8.0  # for workers after a break of the driver or the server

log = logging.getLogger(__name__)


class Driver:
    """Fills an experiment's queue from its history until there is a reason to stop.

    Args:
        domain: space and objective; stored for the workers.
        fingerprint: of the search; the experiment must have begun with the same one.
        notes: added to the ``misc`` of every trial.
        ensemble: whether and how trials extend earlier ones.
        first: hyperparameters of the first trials, which are not suggested.
        is_feasible: suggestions that it refuses are drawn again; None queues every suggestion.
        live: receives the status of the search and its trials.
        show: called with each status.
        check: called with each heartbeat; an error that it raises ends the driver.
    """

    def __init__(
        self,
        store: Store,
        domain: Domain,
        settings: SearchSettings,
        fingerprint: str,
        *,
        notes: dict[str, Any] | None = None,
        ensemble: EnsembleSettings = NO_ENSEMBLE,
        first: Sequence[Assignment] = (),
        is_feasible: IsFeasible | None = None,
        live: StatusFiles | None = None,
        show: Show = lambda status: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._check = check
        self._domain = domain
        self._settings = settings
        self._fingerprint = fingerprint
        self._notes = to_builtin_types(notes or {})
        self._name = owner_name()
        self._rounds = Rounds(ensemble, lambda: new_algorithm(settings, domain))
        self._at_random = HyperoptAlgorithm("random", domain)
        self._first = first
        self._is_feasible = is_feasible
        self._progress = Progress()
        self._publisher = StatusPublisher(store, settings, self._progress, files=live, show=show)
        self._waiting: set[int] = set()  # tids of trials that have not ended
        self._next_tid = 0
        self._workers = 0
        self._seconds = 0.0  # search time, over all drivers of the experiment
        self._last_heartbeat = self._last_seen_worker = time.monotonic()

    def run(self) -> str:
        """Run the search until there is a reason to stop; workers then exit.

        Returns:
            the reason.

        Raises:
            UserError: if no worker appears, the last one ended on a programming error, too many
                trials in a row fail, or another driver leads this search.
        """
        self._seconds = self._store.search.open(
            self._fingerprint, self._name, space=digest(self._domain.expr), code=version()
        )
        try:
            return self._run()
        finally:
            self._release()

    def _run(self) -> str:
        try:
            self._continue()
            reason = self._search()
            self._dismiss_workers()
            self._publisher.end(reason)
        except BaseException as error:
            self._publisher.fail(error_reason(error))
            if isinstance(error, UserError):  # workers need not wait for a fix
                self._store.search.close(self._name)
            raise
        return reason

    def _continue(self) -> None:
        """Read the state that earlier drivers left in the store."""
        self._store.attachments.put_objective(self._domain)
        self._store.search.set_ready(self._name)
        pending = self._store.unfinished()
        self._waiting = {trial["tid"] for trial in pending}
        self._rounds.tell(pending)
        self._next_tid = 1 + max(self._waiting, default=-1)
        for ended in self._store.history("refresh_time"):
            self._record_finished(ended)
        self._heartbeat(force=True)

    def _search(self) -> str:
        pause = FIRST_PAUSE
        while (reason := self._reason_to_stop()) is None:
            self._heartbeat()
            self._fill_queue()
            time.sleep(pause)
            ended = self._store.finished(self._waiting)
            pause = FIRST_PAUSE if ended else min(2 * pause, LONGEST_PAUSE)
            self._record_finished(ended)
        return reason

    def _reason_to_stop(self) -> str | None:
        return self._progress.reason_to_stop(self._settings, self._seconds)

    def _record_finished(self, ended: list[Trial]) -> None:
        for trial in sorted(ended, key=lambda trial: str(trial["refresh_time"])):
            self._progress.tell(trial)
        if ended:  # also by a hyperopt worker, which has no heartbeat
            self._last_seen_worker = time.monotonic()
        self._rounds.tell(ended)
        self._publisher.add(ended)
        tids = [trial["tid"] for trial in ended]
        self._waiting.difference_update(tids)
        self._next_tid = max([self._next_tid, *(tid + 1 for tid in tids)])

    def _heartbeat(self, force: bool = False) -> None:
        """Send a heartbeat and check leases and workers, once per ``HEARTBEAT_SECONDS``."""
        now = time.monotonic()
        if not force and now - self._last_heartbeat < HEARTBEAT_SECONDS:
            return
        self._check()
        self._seconds += now - self._last_heartbeat
        self._last_heartbeat = now
        beat = self._store.search.heartbeat(self._name, self._seconds)
        self._workers = self._store.count_live_workers()
        self._publisher.update(self._seconds)
        if beat.unbroken > RECONNECT_SECONDS:
            self._store.requeue_expired(beat.time)  # the next break may already have begun
        if self._workers:
            self._last_seen_worker = now
        else:
            self._check_patience(min(now - self._last_seen_worker, beat.unbroken))

    def _check_patience(self, seconds: float) -> None:
        """Raise UserError if no worker can be expected after these seconds without one."""
        if self._progress.last_error and not self._store.worker_names():
            reason = self._progress.last_error
            raise UserError(f"no worker is left, the last trial ended in an error: {reason}")
        if seconds > self._settings.patience_minutes * 60:
            raise UserError(
                f"no worker was seen for {self._settings.patience_minutes:g} minutes "
                "(search.patience_minutes): see the workers' logs and the queue"
            )

    def _fill_queue(self) -> None:
        # one trial per worker and half as many in reserve, so that no worker has to wait;
        # no reserve for a single worker: each suggestion then knows all earlier results
        wanted = max(1, self._workers) + self._workers // 2
        left = self._settings.max_evals - self._progress.finished - len(self._waiting)
        for _ in range(min(wanted - len(self._waiting), left)):
            trial = self._next_trial()
            self._store.insert(trial)
            self._rounds.tell([trial])
            self._waiting.add(self._next_tid)
            self._next_tid += 1
            self._heartbeat()

    def _next_trial(self) -> Trial:
        """The next trial; it depends on its tid, the search's seed and the history alone."""
        tid = self._next_tid
        suggestion = self._suggest(tid)
        notes = {"source": suggestion.source, "redrawn": suggestion.redrawn}
        notes |= {**self._notes, **self._rounds.notes()}
        return new_trial(tid, suggestion.values, self._domain.params, notes)

    def _suggest(self, tid: int) -> Suggestion:
        if tid < len(self._first):
            return Suggestion(to_builtin_types(self._first[tid]), "start_from")
        seed = self._settings.seed
        if self._is_feasible is None:
            return suggest(self._rounds, tid, seed)
        return suggest_feasible(
            self._rounds, tid, seed, at_random=self._at_random, is_feasible=self._is_feasible
        )

    def _dismiss_workers(self) -> None:
        self._store.search.close(self._name)
        poll_until(lambda: not self._store.count_live_workers(), EXIT_SECONDS, LONGEST_PAUSE)

    def _release(self) -> None:
        try:
            self._store.search.release(self._name)
        except PyMongoError as error:
            log.warning("the server is unreachable, another driver has to wait 5 s: %s", error)


def new_trial(
    tid: int,
    chosen: Mapping[str, Any],
    labels: Collection[str],
    notes: Mapping[str, Any] | None = None,
) -> Trial:
    """The document of a trial that is to be evaluated.

    Args:
        chosen: its active hyperparameters, label to value.
        labels: of all hyperparameters.
        notes: added to its ``misc``.
    """
    misc: Any = {
        "tid": tid,
        "cmd": ["domain_attachment", OBJECTIVE],
        "workdir": None,
        "idxs": {label: [tid] if label in chosen else [] for label in labels},
        "vals": {label: [chosen[label]] if label in chosen else [] for label in labels},
    }
    result: Result = {"status": STATUS_NEW}
    misc |= notes or {}
    return {"tid": tid, "state": JOB_STATE_NEW, "spec": None, "result": result, "misc": misc}


def error_reason(error: BaseException) -> str:
    """Why the driver has stopped, in a sentence for users."""
    if isinstance(error, WalltimeUsed):
        return "the walltime of the driver's job is used, the next driver continues the search"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "the driver was stopped by a signal, the same command continues the search"
    return f"{type(error).__name__}: {error}"


def fingerprint(
    data_checksum: str, model: ModelSettings, ensemble: EnsembleSettings = NO_ENSEMBLE
) -> str:
    """A hash of data, model and loss; searches with different fingerprints cannot be continued."""
    settings = vars(model).items()
    bounds = {key: value for key, value in settings if key not in RESULT_NEUTRAL_SETTINGS}
    about: list[Any] = [data_checksum, bounds]
    if ensemble.grow:  # the loss then depends on it
        about.append(ensemble.bagging_fraction)
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def export(store: Store, path: Path) -> None:
    """Write all trials that have ended to a file, by tid, one JSON document a line."""
    with replacing(path) as unfinished, unfinished.open("w") as file:
        for trials in store.history("tid"):
            file.writelines(map(as_line, trials))
