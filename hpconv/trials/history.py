"""Files of trials: ``trials.jsonl`` has one a line, ``trial.json`` that of a winner.

A history may have tens of thousands of lines of 5 KB each, half of which are the numbers of traces.
Only those who compare traces read whole trials, and only the trials that they need.
"""

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv.errors import UserError
from hpconv.files import parse_json, read_json, select_json
from hpconv.trials.document import EnsembleMembership, Failure, Trial
from hpconv.trials.outcome import has_succeeded, validation_error


class OutcomeSummary(TypedDict):
    """By which trials are ranked."""

    status: str
    loss: NotRequired[float]
    own_error: NotRequired[float]
    stopped_at: NotRequired[float]


class PartSummary(TypedDict):
    """The name of a part of a trace."""

    what: str


class TraceSummary(TypedDict):
    """A trace without its numbers."""

    parts: list[PartSummary]
    versions: dict[str, str]


class ResultSummary(OutcomeSummary):
    """A result with a trace without numbers."""

    ensemble_error: NotRequired[float]
    failure: NotRequired[Failure]
    feature_shape: NotRequired[list[int]]
    seconds: NotRequired[dict[str, float]]
    engine: NotRequired[str]
    kernels: NotRequired[str]
    trace: NotRequired[TraceSummary]


class MiscSummary(TypedDict):
    """Assignment, and how they were drawn."""

    vals: dict[str, list[int | float]]
    model: NotRequired[dict[str, Any]]
    data: NotRequired[str]
    source: NotRequired[str]
    redrawn: NotRequired[int]
    boosting: NotRequired[EnsembleMembership]


class Ranked(TypedDict):
    """What ranks a trial."""

    tid: int
    result: OutcomeSummary


class Summary(TypedDict):
    """What is read of a trial in a file, also of one of an earlier version or of hyperopt."""

    tid: int
    misc: MiscSummary
    result: ResultSummary
    owner: NotRequired[str | None]
    book_time: NotRequired[str | None]
    refresh_time: NotRequired[str | None]
    error: NotRequired[str | list[str]]


def read(path: Path, tids: Collection[int] | None = None) -> list[Trial]:
    """Whole trials of a JSON Lines file, by tid: all, or those with these tids.

    Raises:
        UserError: naming the line that is not a trial, or a trial that is missing.
    """
    found = [
        _whole(line, source)
        for line, source in _lines(path)
        if tids is None or select_json(line, Ranked, source)["tid"] in tids
    ]
    if missing := {*(tids or ())} - {trial["tid"] for trial in found}:
        raise UserError(f"{path} has no trial {min(missing)}: restore the file of that search")
    return sorted(found, key=lambda trial: trial["tid"])


def read_summaries(path: Path) -> list[Trial]:
    """All trials of a JSON Lines file, by tid, without the numbers of their traces.

    Raises:
        UserError: as ``read``.
    """
    found: list[Trial] = [select_json(line, Summary, source) for line, source in _lines(path)]
    return sorted(found, key=lambda trial: trial["tid"])


def read_best(path: Path, count: int) -> list[Trial]:
    """The first trials in the order of ``succeeded``; holds no others in memory.

    Raises:
        UserError: as ``read``.
    """
    found = heapq.nsmallest(count, _ranked(path))
    return [_whole(line, source) for _, _, line, source in found]


def _ranked(path: Path) -> Iterator[tuple[float, int, bytes, str]]:
    for line, source in _lines(path):
        trial: Trial = select_json(line, Ranked, source)
        if has_succeeded(trial):
            yield validation_error(trial), trial["tid"], line, source


def read_first(path: Path) -> Trial | None:
    """The first trial of a JSON Lines file, None if it has none."""
    return next((_whole(line, source) for line, source in _lines(path)), None)


def _lines(path: Path) -> Iterator[tuple[bytes, str]]:
    """The lines of a file and where they are; an incomplete last line is ignored."""
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                yield line, f"{path} line {number}"


def _whole(line: bytes, source: str) -> Trial:
    trial: Trial = parse_json(line, Summary, source)
    return trial


def read_one(path: Path) -> Trial:
    """The trial in a JSON file, such as ``trial.json`` of a winner."""
    trial: Trial = read_json(path, Summary)
    return trial
