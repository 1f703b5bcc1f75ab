"""A job: what was asked for and what became of it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the commands start fast without it
    from session import Session


@dataclass
class Job:
    """The states are Q, H, R and F, whatever the dialect calls them."""

    number: int
    name: str
    user: str
    script: Path
    folder: Path  # where it was submitted
    output: Path
    error: Path
    join: str
    keep: str
    cpus: int
    memory: int | None  # enforced, in bytes
    walltime: int | None
    resources: dict[str, str | int]
    variables: dict[str, str]
    arguments: str
    shell: str | None
    umask: int
    rerunnable: bool
    excluded: list[str]  # nodes
    state: str = "Q"
    comment: str = ""
    node: str = ""
    slots: list[int] = field(default_factory=list)
    session: "Session | None" = None
    ending: str = ""  # walltime, deleted or lost: why it ended if not by itself
    exit_status: int | None = None
    starts: int = 0
    created: float = field(default_factory=time.time)
    changed: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None

    def turn(self, state: str) -> None:
        """Change the state."""
        self.state, self.changed = state, time.time()

    def used(self) -> float:
        """Seconds that it has run."""
        return (self.ended or time.time()) - self.started if self.started else 0.0

    def measured(self) -> tuple[float, int]:
        """Processor seconds, and the memory in kB of its largest process; known at its end."""
        used = self.session.used if self.session else None
        return (used.ru_utime + used.ru_stime, used.ru_maxrss) if used else (0.0, 0)

    def start(self, session: "Session") -> None:
        """It runs."""
        self.turn("R")
        self.session, self.started = session, self.changed
        self.starts += 1

    def requeue(self) -> None:
        """It is to run again."""
        self.turn("Q")
        self.node, self.slots, self.session, self.started = "", [], None, None

    def hold(self, comment: str, starts: int) -> None:
        """The system gives up on it."""
        self.turn("H")
        self.comment, self.starts = comment, starts

    def terminate(self, ending: str) -> None:
        """Ask its processes to end."""
        assert self.session
        self.ending = self.ending or ending
        self.session.terminate()

    def finish(self, exit_status: int | None) -> None:
        """It is over."""
        self.turn("F")
        self.exit_status, self.ended = exit_status, self.changed
