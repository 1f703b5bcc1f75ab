"""The records of a search that has ended, and of its workers."""

from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv.files import read_json


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


def read_summary(path: Path) -> SearchSummary:
    """The record of a search that has ended, ``search.json``."""
    summary: SearchSummary = read_json(path, SearchSummary)
    return summary


def search_has_ended(summary: Path, search: dict[str, Any]) -> bool:
    """Whether ``search.json`` exists and records a search with these settings."""
    return summary.exists() and read_summary(summary)["search"] == search
