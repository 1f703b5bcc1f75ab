"""Exceptions: ``CandidateError`` for pipelines that cannot be used, ``UserError`` for input.

And text for their messages, which may contain names of files and other programs' failures.
"""

import os
from pathlib import Path
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


def printable(path: Path | str) -> str:
    """A path as text that can be encoded, with escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def visible(text: str) -> str:
    """Text for a terminal, with escapes for control characters and bytes that are not UTF-8.

    A failure text or a file name could otherwise move the cursor or set the window's title.
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )
