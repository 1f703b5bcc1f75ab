"""A trial: a document of the database, a line of ``trials.jsonl``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, Required

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv.errors import FailureKind

Assignment = dict[str, float]  # active hyperparameters: label to value, choices by index
SCORES = "scores"  # name of the attachment in which a trial stores its member of an ensemble


class Failure(TypedDict):
    """Why a trial failed: ``error`` is a programming error, ``fail`` a failure without a reason."""

    kind: FailureKind | Literal["error", "fail"]
    reason: str


class PairChoice(TypedDict):
    """What a classifier of pairs chose on validation pairs."""

    c: float  # of the SVM
    weights: dict[str, float]  # of the kernels, by comparison
    own: float  # factor of its scores in the ensemble that it extends


class Rung(TypedDict):
    """A fit of a trial to a share of the examples."""

    share: float
    loss: float
    seconds: dict[str, float]  # by step, from the beginning of the trial


class Standing(NamedTuple):
    """How a trial compares at a rung."""

    better: int  # trials with a lower loss there
    reached: int  # trials that have reached the rung, this one included


class Result(TypedDict, total=False):
    """The result of a trial, in hyperopt's fields and ours.

    ``trace`` has the form that ``features.signature`` gives it.
    """

    status: Required[str]  # hyperopt's: new, ok or fail
    loss: float
    own_error: float  # without the ensemble that the trial extends
    ensemble_error: float  # with it
    failure: Failure
    feature_shape: list[int]
    chosen: PairChoice
    trace: Mapping[str, Any]  # features.signature.Trace
    seconds: dict[str, float]  # by step
    rungs: list[Rung]  # that the trial has reached, also of one that is running
    stopped_at: float  # share of the last rung of a trial that was stopped there
    engine: str
    kernels: str
    attachments: dict[str, bytes]  # which hyperopt keeps beside the document


class EnsembleMembership(TypedDict):
    """The ensemble that a trial extends."""

    continues: int | None  # tid of its last member
    members: list[int]  # tids, oldest first
    bagging_fraction: float


class Misc(TypedDict, total=False):
    """Assignment of a trial, by label a list of one value or none, and how they were drawn."""

    tid: Required[int]
    cmd: list[str]
    workdir: None
    idxs: dict[str, list[int]]  # hyperopt's, in the database only
    vals: Required[Mapping[str, list[float]]]  # of numpy where hyperopt just drew them
    source: str  # random, tpe, anneal or start_from
    redrawn: int  # suggestions that sizes, warp or memory refused before this one
    model: dict[str, Any]
    data: str  # checksum of the data file
    flips: bool  # of a winner's variant: whether it is evaluated with mirror images
    boosting: EnsembleMembership


class TrialId(TypedDict):
    """The fields by which the owner of a trial finds it to record its end."""

    _id: Any
    tid: int
    book_time: Any


class Trial(TypedDict, total=False):
    """A trial: a document of the collection ``jobs``, a line of ``trials.jsonl``.

    Times are UTC: datetimes from the database, ISO 8601 text in files.
    """

    _id: Any
    exp_key: str
    tid: Required[int]
    state: int  # one of JOB_STATE_*
    spec: None
    misc: Required[Misc]
    result: Required[Result]
    owner: str | None
    lease: float | None
    attempts: int
    version: int
    book_time: datetime | str | None
    refresh_time: datetime | str | None
    error: str | list[str]  # a traceback; hyperopt's type and message
    _attachments: list[tuple[str, Any]]


def to_builtin_types(value: Any) -> Any:
    """The same value without numpy types and tuples, for MongoDB and JSON."""
    if isinstance(value, dict):
        return {str(key): to_builtin_types(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtin_types(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value  # importing numpy takes 0.1 s


def hyperparameters(trial: Trial) -> Assignment:
    """The active hyperparameters of a trial."""
    return {label: values[0] for label, values in trial["misc"]["vals"].items() if values}


def continues(trial: Trial) -> int | None:
    """The tid of the last member of the ensemble that a trial extends."""
    return trial["misc"].get("boosting", {}).get("continues")


def members(trial: Trial) -> list[int]:
    """The tids of the ensemble that a trial extends, oldest first."""
    return trial["misc"].get("boosting", {}).get("members", [])
