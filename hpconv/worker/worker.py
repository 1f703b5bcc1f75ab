"""A worker: takes trials from the queue and evaluates them in a separate process.

Meanwhile the worker sends heartbeats, stops a trial that takes too much time or memory, and
requeues it at once when the worker is told to stop.
"""

import contextlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymongo
from bson import ObjectId
from gridfs import NoFile
from pymongo.errors import ConnectionFailure, PyMongoError

from hpconv.errors import UserError
from hpconv.processes import owner_name
from hpconv.storage.store import Store, TrialLost
from hpconv.trials import Result, Rung, Standing, Trial
from hpconv.worker.ensemble_members import MemberCache
from hpconv.worker.evaluator import CHECK_SECONDS, EvaluationError, Evaluator, EvaluatorDied
from hpconv.worker.messages import AtRung, Outcome
from hpconv.worker.search_files import SearchOver, SearchStopped
from hpconv.worker.spool import Spool, Undelivered
from hpconv.worker.walltime import MARGIN, Walltime, WalltimeUsed

FIRST_PAUSE = 0.01  # after a trial, when the next one is probably queued already
HEARTBEAT_SECONDS = 2.0
SHUTDOWN_SECONDS = 3.0  # an unreachable server must not keep a worker from exiting
DURATIONS = 100  # latest trials from which the duration of the next one is estimated
DURATION_QUANTILE = 0.95  # of their durations, which must fit into the remaining walltime
DURATIONS_SECONDS = 30.0  # between estimates

log = logging.getLogger(__name__)


class StopWorking(Exception):
    """The worker takes no other trial, for the reason in the message."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """When a worker polls and when it exits; most are options of hyperopt-mongo-worker.

    Attributes:
        poll_interval: maximum polling interval in seconds.
        reserve_timeout: exit after this many seconds without a trial.
        last_job_timeout: take no trial after this many seconds.
        max_jobs: exit after this many trials.
        max_consecutive_failures: exit after this many programming errors in a row.
        workdir: folder in which evaluations run and undelivered results are kept.
        walltime: of this job in seconds, if the scheduler does not report it.
    """

    poll_interval: float = 0.15
    reserve_timeout: float | None = None
    last_job_timeout: float | None = None
    max_jobs: int | None = None
    max_consecutive_failures: int = 4
    workdir: Path | None = None
    walltime: float | None = None


class Worker:
    """Evaluates the trials of an experiment's queue until the search is over.

    Attributes:
        finished: number of results delivered.
    """

    def __init__(self, store: Store, settings: WorkerSettings) -> None:
        self._store = store
        self._settings = settings
        self._owner = owner_name()
        self._walltime = Walltime(settings.walltime)
        self._spool = Spool(settings.workdir or Path.cwd(), store.exp_key)
        self._members = MemberCache(store)
        self._evaluator: Evaluator | None = None
        self._objective: ObjectId | None = None
        self._trial: Trial | None = None
        self._failures = 0  # in a row
        self._begun = self._last_trial = time.monotonic()
        self._last_heartbeat = self._last_durations = float("-inf")
        self._trial_seconds = 0.0  # estimated duration of a trial
        self.finished = 0

    def run(self) -> None:
        """Evaluate trials; at the end, also by SystemExit, the current trial is requeued.

        Raises:
            EvaluationError: after several programming errors in a row.
            UserError: if this machine cannot evaluate the objective.
            SearchStopped: if no server will come.
            WalltimeUsed: if another trial would not end within the walltime of this job.
        """
        try:
            self._spool.deliver(self._deliver_late)
            self._take_trials()
        except (SearchOver, StopWorking) as reason:
            log.info("exiting: %s", reason)
        finally:
            self._shutdown()

    def _take_trials(self) -> None:
        pause = FIRST_PAUSE
        while True:
            evaluator = self._ready_evaluator()
            self._check_limits()
            self._trial = self._store.reserve(self._owner) if evaluator else None
            if evaluator is None or self._trial is None:
                time.sleep(pause)
                pause = min(2 * pause, self._settings.poll_interval)
                continue
            self._process(evaluator, self._trial)
            self._trial = None
            self._last_trial, pause = time.monotonic(), FIRST_PAUSE

    def _ready_evaluator(self) -> Evaluator | None:
        """The evaluator of the latest objective, if it can take a trial."""
        look = self._heartbeat() or self._evaluator is None
        if look and self._store.search.is_ready():
            newest = self._store.attachments.objective()
            if newest is not None and newest != self._objective:
                self._replace_evaluator(newest)
        if self._evaluator is None:
            return None
        try:
            if self._evaluator.ready(CHECK_SECONDS):
                return self._evaluator
        except EvaluatorDied as died:
            self._count_death(died)
        self._last_trial = time.monotonic()  # --reserve-timeout is for a lack of trials only
        return None

    def _count_death(self, died: EvaluatorDied) -> None:
        log.warning("%s, starting another one", died)
        self._failures += 1
        if self._failures >= self._settings.max_consecutive_failures:
            raise UserError(
                f"{died}, {self._failures} times in a row and outside of a trial: see the log "
                "above, and whether this host has enough memory"
            )

    def _replace_evaluator(self, newest: ObjectId) -> None:
        try:
            objective = self._store.attachments.read(newest)
        except NoFile:  # replaced by a driver that has just started: read the new one next time
            return
        if self._evaluator:
            self._evaluator.close()
        self._evaluator = Evaluator(objective, self._settings.workdir)
        self._objective = newest

    def _check_limits(self) -> None:
        if self._store.search.is_over():
            raise SearchOver
        settings, now = self._settings, time.monotonic()
        if settings.max_jobs is not None and self.finished >= settings.max_jobs:
            raise StopWorking(f"{self.finished} trials are finished (--max-jobs)")
        if settings.last_job_timeout is not None and now - self._begun > settings.last_job_timeout:
            raise StopWorking(f"{settings.last_job_timeout:g} s have passed (--last-job-timeout)")
        if settings.reserve_timeout is not None:
            idle = now - self._last_trial
            if idle > settings.reserve_timeout:
                raise StopWorking(f"no trial came for {idle:.0f} s (--reserve-timeout)")
        self._check_walltime()

    def _check_walltime(self) -> None:
        left = self._walltime.seconds_left()
        if left == float("inf"):
            return
        if time.monotonic() - self._last_durations > DURATIONS_SECONDS:
            durations = self._store.durations(DURATIONS)
            self._trial_seconds = (
                float(np.quantile(durations, DURATION_QUANTILE)) if durations else 0.0
            )
            self._last_durations = time.monotonic()
        needed = self._trial_seconds + MARGIN
        if left < needed:
            trial = f"a trial takes {self._trial_seconds:.0f} s"
            if left + time.monotonic() - self._begun < needed:  # also for a new job
                raise UserError(f"the walltime of this job is too short: {trial}")
            raise WalltimeUsed(f"{left:.0f} s of walltime are left, {trial}")

    def _shutdown(self) -> None:
        if self._evaluator:
            self._evaluator.close()
        with contextlib.suppress(PyMongoError), pymongo.timeout(SHUTDOWN_SECONDS):
            # by owner: a signal may come before the answer to a reservation
            for tid in self._store.requeue_owned(self._owner):
                log.info("trial %d: requeued", tid)
            self._store.remove_worker(self._owner)

    def _heartbeat(self) -> bool:
        """Send a heartbeat if one is due; returns whether it was.

        It is skipped if the server is unreachable, so that an evaluation is still watched.
        """
        due = time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS
        if due:
            try:
                with pymongo.timeout(HEARTBEAT_SECONDS):
                    self._store.heartbeat(self._owner, self._trial)
            except PyMongoError:
                with contextlib.suppress(FileNotFoundError, UserError, WalltimeUsed):
                    self._store.connection.follow()
            self._last_heartbeat = time.monotonic()
        return due

    def _process(self, evaluator: Evaluator, trial: Trial) -> None:
        """Evaluate one trial and deliver its outcome."""
        try:
            self._deliver(trial, self._evaluate(evaluator, trial))
        except TrialLost as lost:
            log.warning("%s", lost)
            evaluator.restart()
        except EvaluatorDied as died:  # before it got the trial
            self._store.connection.retry(lambda: self._store.requeue_owned(self._owner))
            self._count_death(died)
        except EvaluationError as error:
            log.error("trial %d: %s", trial["tid"], error)
            with contextlib.suppress(TrialLost):
                self._store.fail(trial, self._owner, str(error))
            self._failures += 1
            if self._failures >= self._settings.max_consecutive_failures:
                raise
        else:
            self._failures = 0

    def _evaluate(self, evaluator: Evaluator, trial: Trial) -> Outcome:
        members = self._members.members_of(trial)
        start = time.monotonic()
        evaluator.submit(trial, members)
        while not isinstance(outcome := evaluator.outcome(CHECK_SECONDS), Outcome):
            if isinstance(outcome, AtRung):
                evaluator.answer(self._compare(trial, outcome.rungs))
            if self._heartbeat() and self._is_over():
                raise SearchOver
            if (stopped := evaluator.stopped(time.monotonic() - start)) is not None:
                return stopped
        return outcome

    def _compare(self, trial: Trial, reached: list[Rung]) -> Standing:
        """Store the rungs of a trial and compare it; it goes on if the server is unreachable."""
        with contextlib.suppress(PyMongoError), pymongo.timeout(HEARTBEAT_SECONDS):
            return self._store.reach_rung(trial, self._owner, reached)
        return Standing(better=0, reached=1)

    def _is_over(self) -> bool:
        with contextlib.suppress(PyMongoError), pymongo.timeout(HEARTBEAT_SECONDS):
            return self._store.search.is_over_now()
        return False

    def _deliver(self, trial: Trial, outcome: Outcome) -> None:
        try:
            self._store.finish(trial, self._owner, *outcome)
        except (ConnectionFailure, UserError, SearchStopped, WalltimeUsed, SystemExit):
            self._spool.keep(Undelivered(trial, self._owner, outcome))
            raise
        self.finished += 1
        log.info("trial %d: %s", trial["tid"], describe_result(outcome.result))

    def _deliver_late(self, late: Undelivered) -> None:
        try:
            self._store.finish(late.trial, late.owner, *late.outcome)
        except TrialLost as lost:
            log.warning("late result ignored: %s", lost)
        else:
            self.finished += 1
            log.info("trial %d: delivered the result of an earlier worker", late.trial["tid"])


def describe_result(result: Result) -> str:
    """A result in a few words, for the log."""
    if "failure" in result:
        return "failed, {kind}: {reason}".format(**result["failure"])
    if "loss" not in result:
        return str(result["status"])
    seconds = sum(result.get("seconds", {}).values())
    loss = f"loss {result['loss']:.4g} in {seconds:.1f} s"
    if "stopped_at" in result:
        return f"stopped at {result['stopped_at']:.4g} of the examples, {loss}"
    return loss
