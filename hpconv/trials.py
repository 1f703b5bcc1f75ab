"""The history of a search as files: everything after it reads these, never the database."""

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Required, TypedDict

import numpy as np

from hpconv.errors import CandidateError, FailureKind
from hpconv.files import read_json, replacing

STATUS_FAIL = "fail"  # hyperopt's, whose import takes most of a second


class Failure(TypedDict):
    """Why a trial failed: ``error`` is a programming error, ``fail`` a failure without a reason."""

    kind: FailureKind | Literal["error", "fail"]
    reason: str


class Result(TypedDict, total=False):
    """The result of a trial, in hyperopt's fields and ours."""

    status: Required[str]  # hyperopt's: new, ok or fail
    loss: float
    own_error: float  # without the ensemble that the trial extends
    ensemble_error: float  # with it
    failure: Failure
    feature_shape: list[int]
    chosen: dict[str, Any]  # what the classifier chose on validation examples
    trace: dict[str, Any]
    seconds: dict[str, float]  # by step
    engine: str
    kernels: str
    attachments: dict[str, bytes]  # which hyperopt keeps beside the document


class EnsembleMembership(TypedDict):
    """The ensemble that a trial extends."""

    continues: int | None  # tid of its last member
    members: list[int]  # tids, oldest first
    bagging_fraction: float


class Misc(TypedDict, total=False):
    """A trial's hyperparameters (by label: no value, or one), and how they were drawn."""

    tid: Required[int]
    cmd: list[str]
    workdir: None
    idxs: Required[dict[str, list[int]]]
    vals: Required[dict[str, list[Any]]]
    source: str
    model: dict[str, Any]
    boosting: EnsembleMembership


class TrialId(TypedDict):
    """What the owner of a trial needs to end it."""

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
    state: int  # hyperopt's JOB_STATE_*
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


COLUMNS = (
    "tid", "status", "loss", "own_error", "ensemble_error", "continues",
    "kind", "reason", "seconds", "features", "worker", "finished",
)  # fmt: skip


def read(path: Path) -> list[Trial]:
    """Trials of an export, by tid; a line that the driver is still writing does not count."""
    with Path(path).open() as file:
        found = [json.loads(line) for line in file if line.endswith("\n")]
    return sorted(found, key=lambda trial: trial["tid"])


def complete(summary: Path, search: dict[str, Any]) -> bool:
    """Whether this very search has ended, as its summary says: then there is no server left."""
    return summary.exists() and read_json(summary)["search"] == search


def plain(value: Any) -> Any:
    """The same value in Python's own types, as MongoDB and JSON want them."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def hyperparameters(trial: Trial) -> dict[str, Any]:
    """The active hyperparameters of a trial: label to value, choices by index."""
    return {label: values[0] for label, values in trial["misc"]["vals"].items() if values}


def continues(trial: Trial) -> int | None:
    """The tid of the trial that it goes on from, in a search that grows ensembles."""
    return trial["misc"].get("boosting", {}).get("continues")


def members(trial: Trial) -> list[int]:
    """The tids of the ensemble that it continues, oldest first."""
    return trial["misc"].get("boosting", {}).get("members", [])


def validation_error(trial: Trial) -> float:
    """The validation error of a trial that succeeded, on its own."""
    return trial["result"].get("own_error", trial["result"]["loss"])


def ensemble_error(trial: Trial) -> float:
    """The validation error of a trial that succeeded, together with those that it continues."""
    return trial["result"].get("ensemble_error", trial["result"]["loss"])


def succeeded(trials: list[Trial]) -> list[Trial]:
    """Trials with a loss, the one with the lowest error of its own first; of equals, the older."""
    with_loss = [trial for trial in trials if "loss" in trial["result"]]
    return sorted(with_loss, key=lambda trial: (validation_error(trial), trial["tid"]))


def failure(trial: Trial) -> Failure | None:
    """Kind and reason of a trial that failed, else None."""
    if "error" in trial:
        return {"kind": "error", "reason": error_line(trial["error"])}
    if trial["result"]["status"] == STATUS_FAIL:
        return trial["result"].get("failure") or {"kind": "fail", "reason": "not given"}
    return None


def failed_result(refusal: CandidateError, seconds: dict[str, float]) -> Result:
    """The result of a trial whose candidate is refused; seconds by step."""
    cause: Failure = {"kind": refusal.kind, "reason": refusal.reason}
    return {"status": STATUS_FAIL, "failure": cause, "seconds": seconds}


def error_line(error: str | list[str]) -> str:
    """What a traceback, or hyperopt's pair of type and message, says in the end."""
    text = error if isinstance(error, str) else ": ".join(error)
    return text.strip().splitlines()[-1]


def summary(trial: Trial) -> dict[str, Any]:
    """A trial as one row of a table."""
    result, failed = trial["result"], failure(trial)
    return {
        "tid": trial["tid"],
        "status": "fail" if failed else result["status"],
        "loss": result.get("loss"),
        "own_error": result.get("own_error"),
        "ensemble_error": result.get("ensemble_error"),
        "continues": continues(trial),
        "kind": failed and failed["kind"],
        "reason": failed and failed["reason"],
        "seconds": round(sum(result.get("seconds", {}).values()), 3),
        "features": "x".join(map(str, result.get("feature_shape", []))),
        "worker": trial["owner"],
        "finished": trial["refresh_time"],
    }


def write_csv(trials: list[Trial], path: Path, dialect: str = "excel") -> None:
    """All trials, one a line: summary columns, then a column for each hyperparameter."""
    labels = sorted({label for trial in trials for label in hyperparameters(trial)})
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *labels], dialect=dialect)
        writer.writeheader()
        writer.writerows(summary(trial) | hyperparameters(trial) for trial in trials)


def moment(time: datetime | str | None) -> datetime | None:
    """A time of a trial, UTC in the database and in files alike, as one that says so."""
    if time is None:
        return None
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).replace(tzinfo=UTC)


def evaluation_seconds(trial: Trial) -> float:
    """How long the evaluation of a trial took that has ended.

    As it says itself, else from its beginning to its end by the server's clock; of a lost trial
    that is its last attempt, with the silence that followed.
    """
    measured = sum(trial["result"].get("seconds", {}).values())
    began, ended = moment(trial.get("book_time")), moment(trial.get("refresh_time"))
    if measured or began is None or ended is None:
        return float(measured)
    return (ended - began).total_seconds()


def finite_error(trial: Trial) -> float | None:
    """The validation error of a trial, with those that it continues; None where it has none."""
    found = ensemble_error(trial) if "loss" in trial["result"] else math.nan
    return found if math.isfinite(found) else None
