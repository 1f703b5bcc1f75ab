"""Objectives for workers: pickled whole, as those of a user's own script."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from hyperopt import hp
from hyperopt.base import Domain

from hpconv.config import Budget
from hpconv.storage.store import Store

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def square(x: float) -> dict[str, Any]:
    """A loss beside what MongoDB does not take: numpy's own types."""
    return {"status": "ok", "loss": x**2, "good": np.bool_(x > 0), "steps": np.arange(2)}


def quarter(x: float) -> float:
    """A loss alone, the least that hyperopt takes."""
    return x / 4


def process(x: float) -> dict[str, Any]:
    """In which process it ran."""
    return {"status": "ok", "loss": 0.0, "pid": os.getpid()}


def short_sleep(x: float) -> float:
    """Some time, but not much."""
    time.sleep(0.3)
    return x


def long_sleep(x: float) -> float:
    """Longer than any test."""
    time.sleep(600)
    return x


def sleep(x: float) -> dict[str, Any]:
    """Takes x seconds."""
    time.sleep(x)
    return process(x)


def attach(x: float) -> dict[str, Any]:
    """x MiB to keep with the trial."""
    return {"status": "ok", "loss": 0.0, "attachments": {"blob": bytes(int(x * 2**20))}}


class AtRung:
    """Waits for a file ``go``, and asks how it compares at a rung."""

    fmin_pass_expr_memo_ctrl = True

    def __call__(self, expr: Any, memo: dict[Any, Any], ctrl: Any) -> dict[str, Any]:
        while not Path("go").exists():
            time.sleep(0.02)
        rungs = [{"share": 0.1, "loss": 0.5, "seconds": {}}]
        return {"status": "ok", "loss": 0.5, "rungs": rungs, "standing": ctrl.compare(rungs)}


class Swell:
    """Takes x GiB, and keeps them."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.kept: list[np.ndarray] = []

    def __call__(self, x: float) -> dict[str, Any]:
        self.kept.append(np.ones(int(x * 2**27)))
        time.sleep(0.5)
        return process(x)


class Padded:
    """As large, when pickled, as a real search space: more than a pipe holds."""

    def __init__(self) -> None:
        self.padding = os.urandom(2**20)

    def __call__(self, x: float) -> dict[str, Any]:
        return process(x)


class Deadly:
    """Ends the process that loads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (7,)

    def __call__(self, x: float) -> float:
        return x


def attach_objective(store: Store, function: Any) -> None:
    """Make workers call a function with x."""
    store.attachments.put_objective(Domain(function, hp.uniform("x", 0, 1)))


def queue(store: Store, *values: float, first: int = 0) -> None:
    """A trial for each value of x."""
    for tid, x in enumerate(values, start=first):
        cmd = ["domain_attachment", "FMinIter_Domain"]
        misc = {"tid": tid, "cmd": cmd, "workdir": None, "idxs": {"x": [tid]}, "vals": {"x": [x]}}
        store.insert({"tid": tid, "spec": None, "misc": misc, "result": {"status": "new"}})
