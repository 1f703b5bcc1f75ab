"""The two ways in which hpconv says no: to a candidate pipeline, and to a user's input."""

from typing import Any

EXIT_USER_ERROR, EXIT_CANDIDATE_REFUSED = 1, 3  # exit statuses of the command line

FAILURE_KINDS = (
    "map_too_small",
    "no_filters",
    "too_many_features",
    "non_finite",
    "homogeneous",
    "too_slow",
    "out_of_memory",
    "warp_background",
    "lost",
)


class CandidateError(Exception):
    """A pipeline that cannot be built or used: its trial fails, the search goes on."""

    def __init__(self, kind: str, reason: str) -> None:
        assert kind in FAILURE_KINDS, kind
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"

    def result(self, seconds: dict[str, float]) -> dict[str, Any]:
        """The result of its trial, as hyperopt stores it; seconds by step."""
        cause = {"kind": self.kind, "reason": self.reason}
        return {"status": "fail", "failure": cause, "seconds": seconds}


class UserError(Exception):
    """Input that a person can mend; the message says what to write instead."""
