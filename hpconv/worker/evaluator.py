"""A worker's evaluation process: it evaluates one trial at a time, and is replaced when it dies."""

import contextlib
import logging
import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from hpconv.config import UNLIMITED
from hpconv.errors import CandidateError, UserError
from hpconv.trials import Standing, Trial, failed_result
from hpconv.worker.messages import (
    AtRung,
    Begun,
    Conditions,
    Failed,
    Message,
    Outcome,
    Ready,
    Refused,
    ScoredTrial,
    Task,
)

MIB = 2**20
CHECK_SECONDS = 0.1  # between checks of an evaluation's time and memory
MAX_IDLE_SHARE = 0.5  # of a trial's memory; a process that holds more between trials has a leak

log = logging.getLogger(__name__)


def _run(pipe: Connection, workdir: Path | None) -> None:
    """The evaluation process, whose imports take seconds that the worker's process saves."""
    from hpconv.worker import evaluation_process

    evaluation_process.run(pipe, workdir)


class EvaluationError(Exception):
    """A trial raised a programming error, or its process crashed."""


class EvaluatorDied(Exception):
    """The evaluation process has ended outside of a trial; another one has been started.

    Attributes:
        status: exit status, minus the signal's number if a signal has ended it.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the evaluation process ended with status {status}")
        self.status = status


class Evaluator:
    """The evaluation process of an objective.

    Args:
        objective: a pickled hyperopt ``Domain``.
        workdir: working directory of the process.

    Attributes:
        budget: of a trial; known when the process is ready.
    """

    def __init__(self, objective: bytes, workdir: Path | None) -> None:
        self._objective, self._workdir = objective, workdir
        self.budget = UNLIMITED
        self._conditions: Conditions = {}
        self._begun = False  # the process has received the submitted trial
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_run, args=(far_end, self._workdir))
        self._process.start()
        self._ready = False
        far_end.close()
        with contextlib.suppress(ConnectionError):  # it has died, as `ready` will find out
            self._pipe.send_bytes(self._objective)

    def ready(self, timeout: float) -> bool:
        """Whether the process can take a trial; waits up to timeout seconds for it.

        Raises:
            UserError: if this machine cannot evaluate the objective.
            EvaluationError: if the objective cannot be loaded.
            EvaluatorDied: if the process has ended.
        """
        if self._pipe.poll(0 if self._ready else timeout):
            match self._receive():
                case Ready(budget, conditions):
                    self.budget, self._conditions = budget, conditions
                    self._ready = True
                case Refused(reason):
                    raise UserError(reason)
                case Failed(traceback):
                    raise EvaluationError(traceback)
        return self._ready

    def submit(self, trial: Trial, members: Sequence[ScoredTrial] = ()) -> None:
        """Begin to evaluate a trial; its objective finds the members in ``ctrl.trials``.

        Raises:
            EvaluatorDied: if the process has ended before.
        """
        self._begun = False
        try:
            self._pipe.send(Task(trial, members))
        except ConnectionError:
            raise self._replace() from None

    def outcome(self, timeout: float) -> Outcome | AtRung | None:
        """The outcome of the submitted trial; None if it takes longer than timeout seconds.

        A trial at a rung waits for ``answer``.

        Raises:
            EvaluationError: with the trial's traceback, or the exit status of its process.
            EvaluatorDied: if the process has ended before it received the trial.
        """
        if not self._pipe.poll(timeout):
            return None
        try:
            message = self._receive()
        except EvaluatorDied as died:
            if not self._begun:
                raise
            if died.status == -signal.SIGKILL:  # sent by the kernel when memory runs out
                reason = "the evaluation process was killed, as happens when memory runs out"
                return self.refused(CandidateError("out_of_memory", reason), {})
            raise EvaluationError(str(died)) from None
        if isinstance(message, Begun):
            self._begun = True
            return None
        if isinstance(message, Failed):
            raise EvaluationError(message.traceback)
        if isinstance(message, AtRung):
            return message
        assert isinstance(message, Outcome)
        if self.resident_mb() > MAX_IDLE_SHARE * self.budget.trial_memory_mb:
            log.warning("replacing the evaluation process, it keeps %.0f MiB", self.resident_mb())
            self.restart()
        return message

    def answer(self, standing: Standing) -> None:
        """Tell a trial how it compares at its rung."""
        with contextlib.suppress(ConnectionError):  # it has died, as `outcome` will find out
            self._pipe.send(standing)

    def _receive(self) -> Message:
        try:
            message: Message = self._pipe.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of a message
            raise self._replace() from None
        return message

    def _replace(self) -> EvaluatorDied:
        """Start another process in place of one that has closed its end of the pipe."""
        self._process.join()
        died = EvaluatorDied(self._process.exitcode)
        self._start()
        return died

    def stopped(self, seconds: float) -> Outcome | None:
        """Stop a trial that has exceeded a limit; returns its outcome, None within the limits.

        Args:
            seconds: since the trial was submitted.
        """
        budget, refusal = self.budget, None
        if seconds > budget.trial_seconds:
            refusal = CandidateError("too_slow", f"stopped after {budget.trial_seconds:g} s")
        elif (resident := self.resident_mb()) > budget.trial_memory_mb:
            reason = f"stopped at {resident:.0f} MiB, {budget.trial_memory_mb} are allowed"
            refusal = CandidateError("out_of_memory", reason)
        if refusal is None:
            return None
        self.restart()
        return self.refused(refusal, {"total": seconds})

    def refused(self, refusal: CandidateError, seconds: dict[str, float]) -> Outcome:
        """The outcome of a trial that was stopped, with the seconds of its steps."""
        result: Any = failed_result(refusal, seconds)
        return Outcome(result | self._conditions, {})

    def resident_mb(self) -> float:
        """Resident memory (MiB) of the process and its children."""
        try:
            process = psutil.Process(self._process.pid)
            tree = [process, *process.children(recursive=True)]
            return sum(each.memory_info().rss for each in tree) / MIB
        except psutil.Error:  # it has just ended
            return 0.0

    def restart(self) -> None:
        """Kill the process and start another one."""
        self.close()
        self._start()

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
