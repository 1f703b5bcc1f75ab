"""Trials: their documents, the files that hold them, and what follows from a document."""

import csv
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, Required

import numpy as np
from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv.errors import CandidateError, FailureKind
from hpconv.files import parse_json, read_json, replacing
from hpconv.states import STATUS_FAIL

SCORES = "scores"  # name of the attachment in which a trial stores its member of an ensemble
CLASSIFIER_LABELS = ("_l2_reg", "_varthresh", "_remove_std0", "_divrowl2")  # suffixes


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
    """Hyperparameters of a trial, by label a list of one value or none, and how they were drawn."""

    tid: Required[int]
    cmd: list[str]
    workdir: None
    idxs: dict[str, list[int]]  # hyperopt's, in the database only
    vals: Required[dict[str, list[Any]]]  # numbers, of numpy where hyperopt just drew them
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


class ReadableResult(TypedDict):
    """What every result has."""

    status: str
    loss: NotRequired[float]
    failure: NotRequired[Failure]


class ReadableMisc(TypedDict):
    """What the ``misc`` of every trial has."""

    vals: dict[str, list[Any]]
    model: NotRequired[dict[str, Any]]


class Readable(TypedDict):
    """What every trial in a file has, also one of an earlier version or of hyperopt."""

    tid: int
    misc: ReadableMisc
    result: ReadableResult


class TableRow(TypedDict):
    """A trial without its hyperparameters, as in ``trials.csv``."""

    tid: int
    status: str  # ok, fail, or stopped at a rung
    loss: float | None
    own_error: float | None
    ensemble_error: float | None
    stopped_at: float | None  # share of the examples at which a trial was stopped
    continues: int | None  # tid of the trial whose ensemble this one extends
    kind: str | None  # of the failure
    reason: str | None
    seconds: float  # of evaluation
    features: str  # feature shape, such as 16x4x4
    worker: str | None
    finished: datetime | str | None


class SearchSummary(TypedDict):
    """``search.json``, written when a search has ended."""

    search: dict[str, Any]  # the section of the configuration
    stopped: str  # why
    lost: NotRequired[list[str]]  # workers that ended early, and why
    workers: NotRequired[int]
    run: NotRequired[str]  # of the workflow


class WorkerRecord(TypedDict):
    """The record of a worker of the workflow."""

    failure: NotRequired[str | None]  # why it ended before the search


COLUMNS = tuple(TableRow.__annotations__)


def read(path: Path) -> list[Trial]:
    """Trials of a JSON Lines file, by tid; an incomplete last line is ignored.

    Raises:
        UserError: naming the line that is not a trial.
    """
    return sorted(_trials(path), key=lambda trial: trial["tid"])


def read_summaries(path: Path) -> list[Trial]:
    """As ``read``, but of the trials' traces only versions and names: a fifth of the memory."""
    return sorted(map(_summary, _trials(path)), key=lambda trial: trial["tid"])


def _trials(path: Path) -> Iterator[Trial]:
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield _parsed(path, line, number)


def _summary(trial: Trial) -> Trial:
    if trace := trial["result"].get("trace"):
        parts = [{"what": part["what"]} for part in trace["parts"]]
        trial["result"]["trace"] = {"versions": trace["versions"], "parts": parts}
    return trial


def read_first(path: Path) -> Trial | None:
    """The first trial of a JSON Lines file, None if it has none."""
    with Path(path).open("rb") as file:
        line = file.readline()
    return _parsed(path, line, 1) if line.endswith(b"\n") else None


def _parsed(path: Path, line: bytes, number: int) -> Trial:
    trial: Trial = parse_json(line, Readable, f"{path} line {number}")
    return trial


def read_one(path: Path) -> Trial:
    """The trial in a JSON file, such as ``trial.json`` of a winner."""
    trial: Trial = read_json(path, Readable)
    return trial


def read_summary(path: Path) -> SearchSummary:
    """The record of a search that has ended, ``search.json``."""
    summary: SearchSummary = read_json(path, SearchSummary)
    return summary


def search_has_ended(summary: Path, search: dict[str, Any]) -> bool:
    """Whether ``search.json`` exists and records a search with these settings."""
    return summary.exists() and read_summary(summary)["search"] == search


def to_builtin_types(value: Any) -> Any:
    """The same value without numpy types and tuples, for MongoDB and JSON."""
    if isinstance(value, dict):
        return {str(key): to_builtin_types(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtin_types(part) for part in value]
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def hyperparameters(trial: Trial) -> dict[str, Any]:
    """The active hyperparameters of a trial by label; of a choice, the index."""
    return {label: values[0] for label, values in trial["misc"]["vals"].items() if values}


def continues(trial: Trial) -> int | None:
    """The tid of the last member of the ensemble that a trial extends."""
    return trial["misc"].get("boosting", {}).get("continues")


def members(trial: Trial) -> list[int]:
    """The tids of the ensemble that a trial extends, oldest first."""
    return trial["misc"].get("boosting", {}).get("members", [])


def validation_error(trial: Trial) -> float:
    """Validation error of a trial that succeeded, without the ensemble that it extends."""
    return trial["result"].get("own_error", trial["result"]["loss"])


def ensemble_error(trial: Trial) -> float:
    """Validation error of a trial that succeeded, with the ensemble that it extends."""
    return trial["result"].get("ensemble_error", trial["result"]["loss"])


def ensemble_error_or_none(trial: Trial) -> float | None:
    """``ensemble_error``; None unless a trial succeeded and its error is finite."""
    error = ensemble_error(trial) if has_succeeded(trial) else math.nan
    return error if math.isfinite(error) else None


def has_succeeded(trial: Trial) -> bool:
    """Whether a trial has a loss on all examples: it has not failed and was not stopped."""
    return "loss" in trial["result"] and "stopped_at" not in trial["result"]


def succeeded(trials: list[Trial]) -> list[Trial]:
    """Trials that succeeded, by ascending ``validation_error``, then by tid."""
    found = filter(has_succeeded, trials)
    return sorted(found, key=lambda trial: (validation_error(trial), trial["tid"]))


def best_per_pipeline(trials: list[Trial]) -> list[Trial]:
    """The best trial of each pipeline, lowest validation error first; the older of equals.

    Trials have the same pipeline if only hyperparameters of the classifier differ.
    """
    by_pipeline: dict[str, Trial] = {}
    for trial in succeeded(trials):
        items = hyperparameters(trial).items()
        pipeline = sorted(item for item in items if not item[0].endswith(CLASSIFIER_LABELS))
        by_pipeline.setdefault(repr(pipeline), trial)
    return list(by_pipeline.values())


def failure(trial: Trial) -> Failure | None:
    """Kind and reason of a failed trial; None for any other."""
    if "error" in trial:
        return {"kind": "error", "reason": error_line(trial["error"])}
    if trial["result"]["status"] == STATUS_FAIL:
        return trial["result"].get("failure") or {"kind": "fail", "reason": "not given"}
    return None


def failed_result(refusal: CandidateError, seconds: dict[str, float]) -> Result:
    """The result of a trial whose candidate was refused; seconds by step."""
    cause: Failure = {"kind": refusal.kind, "reason": refusal.reason}
    return {"status": STATUS_FAIL, "failure": cause, "seconds": seconds}


def error_line(error: str | list[str]) -> str:
    """The last line of a traceback, or hyperopt's pair of type and message as one line."""
    text = error if isinstance(error, str) else ": ".join(error)
    return text.strip().splitlines()[-1]


def table_row(trial: Trial) -> TableRow:
    """The columns of a trial in ``trials.csv`` that are not hyperparameters."""
    result, failed = trial["result"], failure(trial)
    stopped_at = result.get("stopped_at")
    return {
        "tid": trial["tid"],
        "status": "fail" if failed else "stopped" if stopped_at else result["status"],
        "loss": result.get("loss"),
        "own_error": result.get("own_error"),
        "ensemble_error": result.get("ensemble_error"),
        "stopped_at": stopped_at,
        "continues": continues(trial),
        "kind": failed and failed["kind"],
        "reason": failed and failed["reason"],
        "seconds": round(sum(result.get("seconds", {}).values()), 3),
        "features": "x".join(map(str, result.get("feature_shape", []))),
        "worker": trial.get("owner"),
        "finished": trial.get("refresh_time"),
    }


def write_csv(
    trials: list[Trial],
    path: Path,
    *,
    dialect: str = "excel",
    columns: Mapping[int, dict[str, float]] | None = None,
) -> None:
    """Write a row for each trial: the columns of ``TableRow``, then all hyperparameters.

    Args:
        columns: values of additional columns, by tid.
    """
    columns = columns or {}
    names = dict.fromkeys(name for values in columns.values() for name in values)
    labels = sorted({label for trial in trials for label in hyperparameters(trial)})
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *names, *labels], dialect=dialect)
        writer.writeheader()
        writer.writerows(
            {**table_row(trial), **columns.get(trial["tid"], {}), **hyperparameters(trial)}
            for trial in trials
        )


def as_utc(time: datetime | str | None) -> datetime | None:
    """A time of a trial, which has no time zone, as a datetime in UTC."""
    if time is None:
        return None
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).replace(tzinfo=UTC)


def evaluation_seconds(trial: Trial) -> float:
    """Duration of the evaluation of a trial that has ended.

    The sum of its steps if they were measured, else the time from ``book_time`` to
    ``refresh_time``. For a lost trial, that is its last attempt and the lease that followed.
    """
    measured = sum(trial["result"].get("seconds", {}).values())
    began, ended = as_utc(trial.get("book_time")), as_utc(trial.get("refresh_time"))
    if measured or began is None or ended is None:
        return float(measured)
    return (ended - began).total_seconds()


def seconds_spent(trial: Trial) -> dict[str, float]:
    """Worker time of a trial that has ended: by step, or as ``stopped`` or ``failed``."""
    if failure(trial):
        return {"failed": evaluation_seconds(trial)}
    if not has_succeeded(trial):
        return {"stopped": evaluation_seconds(trial)}
    return trial["result"].get("seconds", {})
