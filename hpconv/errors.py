"""Exceptions: ``CandidateError`` for pipelines that cannot be used, ``UserError`` for input."""

from typing import Literal

EXIT_USER_ERROR, EXIT_CANDIDATE_REFUSED = 1, 3  # exit statuses of the command line

FailureKind = Literal[
    "map_too_small",
    "no_filters",
    "too_many_features",
    "non_finite",
    "homogeneous",
    "too_slow",
    "out_of_memory",
    "warp_background",
    "lost",  # no worker could finish the trial
]


class CandidateError(Exception):
    """A pipeline that cannot be built or used: its trial fails, the search continues."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


class UserError(Exception):
    """Invalid user input; the message says how to fix it."""
