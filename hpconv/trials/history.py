"""Files of trials: ``trials.jsonl`` has one a line, ``trial.json`` that of a winner.

A history may have tens of thousands of lines of 5 KB each, half of which are the numbers of traces.
Only those who compare traces read whole trials, and only the trials that they need.
"""

import heapq
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv.errors import UserError
from hpconv.files import parse_json, read_json, select_json
from hpconv.trials.document import EnsembleMembership, Failure, Rung, Trial
from hpconv.trials.outcome import has_succeeded, validation_error


class OutcomeSummary(TypedDict):
    """By which trials are ranked."""

    status: str
    loss: NotRequired[float]
    own_error: NotRequired[float]
    stopped_at: NotRequired[float]


class TraceSummary(TypedDict):
    """The versions with which a trace was made."""

    versions: dict[str, str]


class ResultSummary(OutcomeSummary):
    """A result without the parts of its trace."""

    ensemble_error: NotRequired[float]
    failure: NotRequired[Failure]
    feature_shape: NotRequired[list[int]]
    seconds: NotRequired[dict[str, float]]
    rungs: NotRequired[list[Rung]]
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
    """All trials of a JSON Lines file, by tid, without their traces: 3 KB of memory for each.

    Raises:
        UserError: as ``read``.
    """
    settings: dict[str, Any] = {}
    found: list[Trial] = []
    for line, source in _lines(path):
        trial: Trial = select_json(line, Summary, source)
        trial["misc"]["vals"] = Values(trial["misc"]["vals"])
        holders: Any = ((trial["misc"], "model"), (trial["result"], "trace"))
        for holder, key in holders:
            if key in holder:  # most trials have equal ones
                holder[key] = settings.setdefault(repr(holder[key]), holder[key])
        found.append(trial)
    return sorted(found, key=lambda trial: trial["tid"])


class Values(Mapping[str, list[float]]):
    """The active hyperparameters of a trial as ``misc.vals`` has them, in a fifth of the memory."""

    __slots__ = ("_labels", "_values")

    def __init__(self, vals: Mapping[str, list[float]]) -> None:
        active = {label: values[0] for label, values in vals.items() if values}
        self._labels, self._values = _shared(tuple(active)), tuple(active.values())

    def __getitem__(self, label: str) -> list[float]:
        return dict(self.items())[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def items(self) -> Any:
        """Pairs of label and list of one value, in one pass."""
        return [(label, [value]) for label, value in zip(self._labels, self._values, strict=True)]


@cache
def _shared(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple for all trials with these active hyperparameters."""
    return labels


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
