"""The two ways in which hpconv says no: to a candidate pipeline, and to a user's input."""

FAILURE_KINDS = (
    "map_too_small",
    "no_filters",
    "too_many_features",
    "non_finite",
    "homogeneous",
    "too_slow",
    "out_of_memory",
    "warp_background",
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


class UserError(Exception):
    """Input that a person can mend; the message says what to write instead."""
