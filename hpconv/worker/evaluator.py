"""The process in which a worker's trials are evaluated: one at a time, replaced when it dies."""

import logging
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import bson
import psutil
from hyperopt.base import Ctrl, Domain, Trials, spec_from_misc

from hpconv.errors import CandidateError, UserError
from hpconv.learners.ensemble_member import SCORES
from hpconv.objective.budget import UNLIMITED
from hpconv.processes import STOP_SIGNALS, die_with_parent
from hpconv.storage.attachments import MAX_BYTES
from hpconv.trials import Result, Trial, failed_result, to_builtin_types

MIB = 2**20
KEPT_SHARE = 0.5  # of a trial's memory; a process that holds more between trials has a leak
MAX_RESULT_BYTES = 2**20

History = Sequence[tuple[Trial, bytes]]  # trials that one continues, and what they have kept

log = logging.getLogger(__name__)


class EvaluationError(Exception):
    """The evaluation showed a programming error, or its process died."""


class Outcome(NamedTuple):
    """What came of a trial: a result, and files to keep with it."""

    result: Result
    attachments: dict[str, bytes]


class Evaluator:
    """One evaluation process for an objective (a pickled hyperopt Domain)."""

    def __init__(self, objective: bytes, workdir: Path | None) -> None:
        self._arguments = (objective, workdir)
        self.budget = UNLIMITED
        self._conditions: dict[str, str] = {}
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
            UserError: when this machine cannot evaluate the objective.
            EvaluationError: when the process ended before it could.
        """
        if not self._ready and self._pipe.poll(timeout):
            kind, content = self._receive()
            if kind == "refused":
                raise UserError(content)
            if kind == "error":
                raise EvaluationError(content)
            self.budget, self._conditions = content
            self._ready = True
        return self._ready

    def submit(self, trial: Trial, history: History = ()) -> None:
        """Begin to evaluate a trial; its objective finds the history in ``ctrl.trials``."""
        self._pipe.send((trial, history))

    def outcome(self, timeout: float) -> Outcome | None:
        """What came of the trial, or None if it is not there within timeout seconds.

        Raises:
            EvaluationError: with the traceback, or how the process ended.
        """
        if not self._pipe.poll(timeout):
            return None
        kind, content = self._receive()
        if kind == "error":
            raise EvaluationError(content)
        if self.resident_mb() > KEPT_SHARE * self.budget.trial_memory_mb:
            log.warning("the evaluation process keeps %.0f MiB: replaced", self.resident_mb())
            self.restart()
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
                return "outcome", self.refused(CandidateError("out_of_memory", reason), {})
            raise EvaluationError(f"the evaluation process ended with status {code}") from None

    def refused(self, refusal: CandidateError, seconds: dict[str, float]) -> Outcome:
        """What came of a trial that had to be stopped; seconds by step."""
        result: Any = failed_result(refusal, seconds)
        return Outcome(result | self._conditions, {})

    def resident_mb(self) -> float:
        """Memory (MiB) that the process and its children hold now."""
        try:
            process = psutil.Process(self._process.pid)
            everyone = [process, *process.children(recursive=True)]
            return sum(each.memory_info().rss for each in everyone) / MIB
        except psutil.Error:  # it has just ended
            return 0.0

    def restart(self) -> None:
        """Abandon what runs and start afresh."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()


def _evaluations(pipe: Connection, objective: bytes, workdir: Path | None) -> None:
    die_with_parent()
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    if workdir is not None:
        os.chdir(workdir)
    try:
        domain: Domain = pickle.loads(objective)
        conditions: dict[str, str] = getattr(domain.fn, "prepare", dict)()
        pipe.send(("ready", (getattr(domain.fn, "budget", UNLIMITED), conditions)))
    except UserError as refusal:
        return pipe.send(("refused", str(refusal)))
    except Exception:
        return pipe.send(("error", traceback.format_exc()))
    while True:
        try:
            trial, history = pipe.recv()
        except EOFError:
            return None
        try:
            pipe.send(("outcome", _evaluate(domain, trial, history, conditions)))
        except Exception:
            pipe.send(("error", traceback.format_exc()))


def _evaluate(
    domain: Domain, trial: Trial, history: History, conditions: dict[str, str]
) -> Outcome:
    trials = Trials()
    trials._insert_trial_docs([earlier for earlier, _ in history])
    for earlier, scores in history:
        trials.trial_attachments(earlier)[SCORES] = scores
    given = set(trials.attachments)
    ctrl = Ctrl(trials, current_trial=trial)
    result = domain.evaluate(spec_from_misc(trial["misc"]), ctrl)
    result = to_builtin_types(result | conditions)
    prefix = ctrl.trials.aname(trial, "")
    attachments = {
        name.removeprefix(prefix): blob.encode() if isinstance(blob, str) else blob
        for name, blob in ctrl.trials.attachments.items()
        if name not in given
    }
    _check_size("result", len(bson.encode(result)), MAX_RESULT_BYTES)
    _check_size("attachments", sum(map(len, attachments.values())), MAX_BYTES)
    return Outcome(result, attachments)


def _check_size(what: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise ValueError(
            f"{what} of {size / 2**20:.1f} MiB, {allowed / 2**20:g} are allowed: "
            "write a file and give its path"
        )
