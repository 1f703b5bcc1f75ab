"""The messages between a worker and the process that evaluates its trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from hpconv.config import Budget
from hpconv.trials import Result, Rung, Trial


class ScoredTrial(NamedTuple):
    """A member of an ensemble: an earlier trial, and its scores (``StoredMember``'s bytes)."""

    trial: Trial
    scores: bytes


class Task(NamedTuple):
    """To the process: a trial to evaluate, and the ensemble that it extends, oldest first."""

    trial: Trial
    members: Sequence[ScoredTrial] = ()


class Conditions(TypedDict, total=False):
    """How this process evaluates trials; part of each result."""

    engine: str
    kernels: str


@dataclass(frozen=True)
class Ready:
    """From the process: it can take trials."""

    budget: Budget
    conditions: Conditions


@dataclass(frozen=True)
class Refused:
    """From the process: this machine cannot evaluate the objective (``UserError``)."""

    reason: str


@dataclass(frozen=True)
class Begun:
    """From the process: it has received a task."""


@dataclass(frozen=True)
class AtRung:
    """From the process: the rungs that the trial has reached; it waits for a ``Standing``."""

    rungs: list[Rung]


@dataclass(frozen=True)
class Failed:
    """From the process: a programming error, in loading the objective or in a trial."""

    traceback: str


class Outcome(NamedTuple):
    """From the process: the result of a trial, and files to store with it, by name."""

    result: Result
    attachments: dict[str, bytes]


Message = Ready | Refused | Begun | AtRung | Failed | Outcome
