"""Results that could not be delivered, kept in files until a worker can."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import bson

from hpconv.files import write_atomically
from hpconv.trials import Trial, TrialId
from hpconv.worker.evaluator import Outcome

log = logging.getLogger(__name__)


class Undelivered(NamedTuple):
    """A result with what it takes to deliver it."""

    trial: Trial | TrialId
    owner: str
    outcome: Outcome


class Spool:
    """The undelivered results of an experiment in a folder."""

    def __init__(self, folder: Path, exp_key: str) -> None:
        self._folder, self._exp_key = folder, exp_key

    def keep(self, undelivered: Undelivered) -> None:
        """Write a result for the next worker of this folder to deliver."""
        trial, owner, outcome = undelivered
        path = self._folder / f"undelivered-{self._exp_key}-{trial['tid']}.bson"
        identity = {key: trial[key] for key in ("_id", "tid", "book_time")}
        content = {"trial": identity, "owner": owner, "outcome": list(outcome)}
        write_atomically(path, bson.encode(content), durable=True)
        log.warning("trial %d: the result waits in %s for the next worker", trial["tid"], path)

    def deliver(self, finish: Callable[[Undelivered], None]) -> None:
        """Hand what is kept to finish, each to one worker only; what it raises for is kept."""
        for path in sorted(self._folder.glob(f"undelivered-{self._exp_key}-*.bson")):
            claimed = path.with_suffix(".claimed")
            try:
                path.rename(claimed)
            except FileNotFoundError:  # another worker was faster
                continue
            content = bson.decode(claimed.read_bytes())
            try:
                finish(
                    Undelivered(content["trial"], content["owner"], Outcome(*content["outcome"]))
                )
            except BaseException:
                claimed.rename(path)
                raise
            claimed.unlink()
