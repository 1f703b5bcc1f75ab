"""The process that evaluates a worker's trials."""

import contextlib
import os
import pickle
import signal
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import bson
from hyperopt.base import Domain, Trials, spec_from_misc

from hpconv.config import UNLIMITED
from hpconv.errors import UserError
from hpconv.objective.rungs import RungCtrl
from hpconv.processes import STOP_SIGNALS, die_with_parent
from hpconv.storage.attachments import MAX_BYTES
from hpconv.trials import SCORES, Rung, Standing, to_builtin_types
from hpconv.worker.messages import (
    AtRung,
    Begun,
    Conditions,
    Failed,
    Outcome,
    Ready,
    Refused,
    Task,
)

MAX_RESULT_BYTES = 2**20


def run(pipe: Connection, workdir: Path | None) -> None:
    """Evaluate the tasks that come through the pipe, in workdir, until the worker ends.

    The first message is the pickled objective. It is not an argument of the process: the worker
    would wait for ever if this process died before it had read its arguments.
    """
    die_with_parent()
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    if workdir is not None:
        os.chdir(workdir)
    with contextlib.suppress(EOFError, ConnectionError):  # the worker has ended
        _evaluate_tasks(pipe)


def _evaluate_tasks(pipe: Connection) -> None:
    objective = pipe.recv_bytes()
    try:
        domain: Domain = pickle.loads(objective)
        conditions = getattr(domain.fn, "prepare", Conditions)()
    except UserError as refusal:
        return pipe.send(Refused(str(refusal)))
    except Exception:
        return pipe.send(Failed(traceback.format_exc()))
    pipe.send(Ready(getattr(domain.fn, "budget", UNLIMITED), conditions))
    while True:
        task: Task = pipe.recv()
        pipe.send(Begun())
        try:
            pipe.send(_evaluate(domain, task, conditions, pipe))
        except Exception:
            pipe.send(Failed(traceback.format_exc()))


def _evaluate(domain: Domain, task: Task, conditions: Conditions, pipe: Connection) -> Outcome:
    def compare(reached: list[Rung]) -> Standing:
        pipe.send(AtRung(reached))
        return cast(Standing, pipe.recv())

    trials = Trials()
    trials._insert_trial_docs([member.trial for member in task.members])
    for member in task.members:
        trials.trial_attachments(member.trial)[SCORES] = member.scores
    given = set(trials.attachments)
    ctrl = RungCtrl(trials, task.trial, compare)
    result: Any = domain.evaluate(spec_from_misc(task.trial["misc"]), ctrl)
    result = to_builtin_types(result | conditions)
    prefix = ctrl.trials.aname(task.trial, "")
    attachments = {
        name.removeprefix(prefix): blob.encode() if isinstance(blob, str) else blob
        for name, blob in ctrl.trials.attachments.items()
        if name not in given
    }
    _check_size("result", len(bson.encode(result)), MAX_RESULT_BYTES)
    _check_size("attachments", sum(map(len, attachments.values())), MAX_BYTES)
    return Outcome(result, attachments)


def _check_size(content: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise ValueError(
            f"{content} of {size / 2**20:.1f} MiB, {allowed / 2**20:g} are allowed: "
            "write a file and return its path"
        )
