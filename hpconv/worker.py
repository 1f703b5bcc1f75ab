"""A worker: takes trials from the queue and evaluates them in a process of its own.

The evaluation runs beside the worker, which keeps the heartbeat, stops a trial that takes too
long, and gives it back at once when the job is told to end.
"""

import contextlib
import logging
import multiprocessing
import signal
import time
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from hpconv.budget import Budget
from hpconv.candidate import ModelSettings
from hpconv.engines import choose, warm_up
from hpconv.objective import evaluate, failure
from hpconv.processes import die_with_parent, owner_name
from hpconv.protocols import Selection
from hpconv.store import Document, Store, TrialLost
from hpconv.trials import hyperparameters

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 2.0
PARTING_SECONDS = 5.0  # a server that is gone must not keep a worker from ending
MAX_CONSECUTIVE_ERRORS = 4
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

log = logging.getLogger(__name__)


class EvaluationError(Exception):
    """The evaluation showed a programming error, or its process died."""


class SearchOver(Exception):
    """Enough trials have finished; the one in hand is not needed."""


class Evaluator:
    """One evaluation process, replaced when it dies or has to be stopped.

    Raises:
        UserError: when this machine does not have the engine that is asked for.
    """

    def __init__(self, data: Path, model: ModelSettings, budget: Budget) -> None:
        self.engine = choose(model.engine)
        self.trial_seconds = budget.trial_seconds
        self._arguments = (data, replace(model, engine=self.engine), budget)
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_evaluations, args=(far_end, *self._arguments))
        self._process.start()
        self._ready = False
        far_end.close()

    def ready(self, timeout: float) -> bool:
        """Whether the process can take a trial, waiting for at most timeout seconds.

        Raises:
            EvaluationError: when it ended before it could.
        """
        if not self._ready and self._pipe.poll(timeout):
            self._ready = self._receive()[0] == "ready"
        return self._ready

    def submit(self, assignment: dict[str, Any]) -> None:
        """Begin to evaluate."""
        self._pipe.send(assignment)

    def result(self, timeout: float) -> dict[str, Any] | None:
        """The result, or None if it is not there within timeout seconds.

        Raises:
            EvaluationError: with the traceback, or how the process ended.
        """
        if not self._pipe.poll(timeout):
            return None
        kind, content = self._receive()
        if kind == "error":
            raise EvaluationError(content)
        return content

    def _receive(self) -> tuple[str, Any]:
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            self._start()
            if code == -signal.SIGKILL:  # what the kernel does when memory runs out
                reason = "the evaluation process was killed, as happens when memory runs out"
                return "result", failure("out_of_memory", reason, {}, self.engine)
            raise EvaluationError(f"the evaluation process ended with status {code}") from None

    def restart(self) -> None:
        """Abandon what runs and start afresh."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()


def _evaluations(pipe: Connection, data: Path, model: ModelSettings, budget: Budget) -> None:
    die_with_parent()
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    selection = Selection(data)
    warm_up(model.engine)
    pipe.send(("ready", None))
    while True:
        try:
            assignment = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(("result", evaluate(assignment, selection, model, budget)))
        except Exception:
            pipe.send(("error", traceback.format_exc()))


class Worker:
    """Works on an experiment's queue until the search is over."""

    def __init__(self, store: Store, evaluator: Evaluator) -> None:
        self._store = store
        self._evaluator = evaluator
        self._owner = owner_name()
        self._trial: Document | None = None
        self._last_heartbeat = 0.0
        self.finished = 0

    def run(self) -> None:
        """Evaluate trials; a trial in hand is given back when the process is told to stop.

        Raises:
            EvaluationError: after several programming errors in a row.
        """
        for number in STOP_SIGNALS:
            signal.signal(number, _leave)
        try:
            self._take_trials()
        except SearchOver:
            log.info("the search is over")
        finally:
            self._part()

    def _take_trials(self) -> None:
        errors = 0
        while not self._store.search_is_over():
            self._beat()
            if not self._evaluator.ready(POLL_SECONDS):
                continue
            self._trial = self._store.reserve(self._owner)
            if self._trial is None:
                time.sleep(POLL_SECONDS)
                continue
            errors = self._work(self._trial, errors)
            self._trial = None

    def _part(self) -> None:
        self._evaluator.close()
        with contextlib.suppress(PyMongoError), pymongo.timeout(PARTING_SECONDS):
            # by owner: a signal may come between the reservation and its arrival here
            for tid in self._store.give_back(self._owner):
                log.info("trial %d given back", tid)
            self._store.leave(self._owner)

    def _beat(self) -> bool:
        """Send a heartbeat if one is due, and say whether it was."""
        due = time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS
        if due:
            self._store.heartbeat(self._owner, self._trial)
            self._last_heartbeat = time.monotonic()
        return due

    def _work(self, trial: Document, errors: int) -> int:
        """Evaluate one trial; returns how many have shown programming errors in a row."""
        try:
            result = self._evaluate(trial)
            self._store.finish(trial, self._owner, result)
        except TrialLost as lost:
            log.warning("%s", lost)
            self._evaluator.restart()
        except EvaluationError as error:
            log.error("trial %d: %s", trial["tid"], error)
            self._store.fail(trial, self._owner, str(error))
            if errors + 1 == MAX_CONSECUTIVE_ERRORS:
                raise
            return errors + 1
        else:
            self.finished += 1
            log.info("trial %d: %s", trial["tid"], describe_result(result))
        return 0

    def _evaluate(self, trial: Document) -> dict[str, Any]:
        start = time.monotonic()
        self._evaluator.submit(hyperparameters(trial))
        while (result := self._evaluator.result(POLL_SECONDS)) is None:
            if self._beat() and self._store.search_is_over():
                raise SearchOver
            seconds = time.monotonic() - start
            if seconds > self._evaluator.trial_seconds:
                self._evaluator.restart()
                reason = f"stopped after {self._evaluator.trial_seconds:g} s"
                return failure("too_slow", reason, {"total": seconds}, self._evaluator.engine)
        return result


def _leave(signum: int, frame: object) -> None:
    for number in STOP_SIGNALS:  # once is enough: nothing may interrupt the hand-back
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + signum)


def describe_result(result: dict[str, Any]) -> str:
    """A result in a few words."""
    if "failure" in result:
        return "failed, {kind}: {reason}".format(**result["failure"])
    seconds = sum(result["seconds"].values())
    return f"error {result['loss']:.2%} in {seconds:.1f} s"
