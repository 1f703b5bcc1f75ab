"""A worker: takes trials from the queue and evaluates them in a process of its own.

The evaluation runs beside the worker, which keeps the heartbeat, stops a trial that takes too
much time or memory, and gives it back at once when the job is told to end.
"""

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymongo
from bson import ObjectId
from gridfs import NoFile
from pymongo.errors import ConnectionFailure, PyMongoError

from hpconv.errors import CandidateError, UserError
from hpconv.processes import owner_name
from hpconv.storage.store import Store, TrialLost
from hpconv.trials import Result, Trial
from hpconv.worker.ensemble_members import MemberCache
from hpconv.worker.evaluator import EvaluationError, Evaluator, Outcome
from hpconv.worker.spool import Spool, Undelivered
from hpconv.worker.walltime import Walltime

WATCH_SECONDS = 0.1  # between looks at an evaluation's time and memory
FIRST_PAUSE = 0.01  # after a trial the next one is probably there, or will be in a moment
HEARTBEAT_SECONDS = 2.0
PARTING_SECONDS = 3.0  # a server that is gone must not keep a worker from ending
DURATIONS = 100  # latest trials by which the duration of the next one is estimated
DURATION_QUANTILE = 0.95  # of them, which must fit the remaining walltime
DURATIONS_SECONDS = 30.0  # between looks at them
WALLTIME_MARGIN = 15.0  # to notice, to deliver, to end

AGAIN_VARIABLE = "HPCONV_AGAIN"  # a file that tells the executor to submit this job again

log = logging.getLogger(__name__)


class SearchOver(Exception):
    """Enough trials have finished; the one in hand is not needed."""


class StopWorking(Exception):
    """There is a reason not to take another trial."""


class WalltimeUsed(StopWorking):
    """Another trial would not end before this job does."""


@dataclass(frozen=True)
class WorkerSettings:
    """When a worker looks for trials, and when it stops; the options of hyperopt-mongo-worker."""

    poll_interval: float = 0.15  # the longest pause (seconds) between looks into the queue
    reserve_timeout: float | None = None  # leave after so many seconds without a trial
    last_job_timeout: float | None = None  # take no trial after so many seconds
    max_jobs: int | None = None
    max_consecutive_failures: int = 4
    workdir: Path | None = None  # where evaluations run and undelivered results are kept
    walltime: str | None = None


class Worker:
    """Works on an experiment's queue until the search is over."""

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
        self._errors = 0  # in a row
        self._begun = self._last_trial = time.monotonic()
        self._last_heartbeat = self._last_durations = float("-inf")
        self._typical = 0.0  # seconds that a trial of this experiment takes
        self.finished = 0

    def run(self) -> None:
        """Evaluate trials; a trial in hand is given back when the process ends (SystemExit).

        Raises:
            EvaluationError: after several programming errors in a row.
            UserError: when this machine cannot evaluate the objective.
        """
        try:
            self._spool.deliver(self._deliver_late)
            self._take_trials()
        except SearchOver:
            log.info("the search is over")
        except WalltimeUsed as reason:
            log.info("leaving: %s", reason)
            if marker := os.environ.get(AGAIN_VARIABLE):
                Path(marker).touch()
        except StopWorking as reason:
            log.info("leaving: %s", reason)
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
            self._work(evaluator, self._trial)
            self._trial = None
            self._last_trial, pause = time.monotonic(), FIRST_PAUSE

    def _ready_evaluator(self) -> Evaluator | None:
        """The evaluation process, if it can take a trial; of the newest objective."""
        if self._heartbeat() or self._evaluator is None:
            newest = self._store.attachments.objective()
            if newest is not None and newest != self._objective:
                self._replace_evaluator(newest)
        if self._evaluator is None or self._evaluator.ready(WATCH_SECONDS):
            return self._evaluator
        self._last_trial = time.monotonic()  # it is not for want of trials that there was none
        return None

    def _replace_evaluator(self, newest: ObjectId) -> None:
        try:
            objective = self._store.attachments.read(newest)
        except NoFile:  # a driver that has just started has replaced it: look again
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
            raise StopWorking(f"{self.finished} trials are done (--max-jobs)")
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
            self._typical = float(np.quantile(durations, DURATION_QUANTILE)) if durations else 0.0
            self._last_durations = time.monotonic()
        needed = self._typical + WALLTIME_MARGIN
        if left < needed:
            trial = f"a trial takes {self._typical:.0f} s"
            if left + time.monotonic() - self._begun < needed:  # nor would another job do
                raise UserError(f"the walltime of this job is too short: {trial}")
            raise WalltimeUsed(f"{left:.0f} s of walltime are left, {trial}")

    def _shutdown(self) -> None:
        if self._evaluator:
            self._evaluator.close()
        with contextlib.suppress(PyMongoError), pymongo.timeout(PARTING_SECONDS):
            # by owner: a signal may come between the reservation and its arrival here
            for tid in self._store.requeue_owned(self._owner):
                log.info("trial %d given back", tid)
            self._store.remove_worker(self._owner)

    def _heartbeat(self) -> bool:
        """Send a heartbeat if one is due, and say whether it was.

        A server that is away misses it; only who has nothing else to do waits for a server.
        """
        due = time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS
        if due:
            with contextlib.suppress(PyMongoError), pymongo.timeout(HEARTBEAT_SECONDS):
                self._store.heartbeat(self._owner, self._trial)
            self._last_heartbeat = time.monotonic()
        return due

    def _work(self, evaluator: Evaluator, trial: Trial) -> None:
        """Evaluate one trial, and deliver what came of it."""
        try:
            self._deliver(trial, self._evaluate(evaluator, trial))
        except TrialLost as lost:
            log.warning("%s", lost)
            evaluator.restart()
        except EvaluationError as error:
            log.error("trial %d: %s", trial["tid"], error)
            with contextlib.suppress(TrialLost):
                self._store.fail(trial, self._owner, str(error))
            self._errors += 1
            if self._errors == self._settings.max_consecutive_failures:
                raise
        else:
            self._errors = 0

    def _evaluate(self, evaluator: Evaluator, trial: Trial) -> Outcome:
        history = self._members.members_of(trial)
        start = time.monotonic()
        evaluator.submit(trial, history)
        while (outcome := evaluator.outcome(WATCH_SECONDS)) is None:
            if self._heartbeat() and self._is_over():
                raise SearchOver
            seconds = time.monotonic() - start
            if (refusal := _exceeded(evaluator, seconds)) is not None:
                evaluator.restart()
                return evaluator.refused(refusal, {"total": seconds})
        return outcome

    def _is_over(self) -> bool:
        with contextlib.suppress(PyMongoError), pymongo.timeout(HEARTBEAT_SECONDS):
            return self._store.search.is_over_now()
        return False

    def _deliver(self, trial: Trial, outcome: Outcome) -> None:
        try:
            self._store.finish(trial, self._owner, *outcome)
        except (ConnectionFailure, SystemExit):
            self._spool.keep(Undelivered(trial, self._owner, outcome))
            raise
        self.finished += 1
        log.info("trial %d: %s", trial["tid"], describe_result(outcome.result))

    def _deliver_late(self, late: Undelivered) -> None:
        try:
            self._store.finish(late.trial, late.owner, *late.outcome)
        except TrialLost as lost:
            log.warning("a result comes too late: %s", lost)
        else:
            self.finished += 1
            log.info("trial %d: delivered what an earlier worker could not", late.trial["tid"])


def _exceeded(evaluator: Evaluator, seconds: float) -> CandidateError | None:
    """What a running trial has exceeded."""
    budget = evaluator.budget
    if seconds > budget.trial_seconds:
        return CandidateError("too_slow", f"stopped after {budget.trial_seconds:g} s")
    resident = evaluator.resident_mb()
    if resident > budget.trial_memory_mb:
        reason = f"stopped at {resident:.0f} MiB, {budget.trial_memory_mb} are allowed"
        return CandidateError("out_of_memory", reason)
    return None


def describe_result(result: Result) -> str:
    """A result in a few words."""
    if "failure" in result:
        return "failed, {kind}: {reason}".format(**result["failure"])
    if "loss" not in result:
        return str(result["status"])
    seconds = sum(result.get("seconds", {}).values())
    return f"loss {result['loss']:.4g} in {seconds:.1f} s"
