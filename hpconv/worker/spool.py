"""Results that could not be delivered, kept in files for the next worker."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import bson

from hpconv.files import write_atomically
from hpconv.trials import Trial, TrialId
from hpconv.worker.evaluation_process import Outcome

log = logging.getLogger(__name__)


class Undelivered(NamedTuple):
    """A result, and the trial and owner that it is delivered for."""

    trial: Trial | TrialId
    owner: str
    outcome: Outcome


class Spool:
    """The undelivered results of an experiment, as files in a folder."""

    def __init__(self, folder: Path, exp_key: str) -> None:
        self._folder, self._exp_key = folder, exp_key

    def keep(self, undelivered: Undelivered) -> None:
        """Write a result to a file; the next worker in this folder delivers it."""
        trial, owner, outcome = undelivered
        path = self._folder / f"undelivered-{self._exp_key}-{trial['tid']}.bson"
        identity = {key: trial[key] for key in ("_id", "tid", "book_time")}
        content = {"trial": identity, "owner": owner, "outcome": list(outcome)}
        write_atomically(path, bson.encode(content), durable=True)
        log.warning("trial %d: the next worker delivers the result, kept in %s", trial["tid"], path)

    def deliver(self, finish: Callable[[Undelivered], None]) -> None:
        """Call finish with each result, in one worker only; keep those for which it raises."""
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
