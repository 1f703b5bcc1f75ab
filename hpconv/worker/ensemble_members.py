"""The earlier trials of an ensemble, with their scores, for the trial that continues them."""

import contextlib

from gridfs import NoFile

from hpconv.learners.ensemble_member import SCORES
from hpconv.storage.store import Store
from hpconv.trials import Trial, members
from hpconv.worker.evaluator import EvaluationError


class MemberCache:
    """The trials that others continue with the scores that they have kept, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[int, tuple[Trial, bytes]] = {}  # by tid

    def members_of(self, trial: Trial) -> list[tuple[Trial, bytes]]:
        """The trials that a trial continues, oldest first, and their scores.

        Raises:
            EvaluationError: when one of them has kept none.
        """
        self._read = {tid: self._read.get(tid) or self._load(tid) for tid in members(trial)}
        return list(self._read.values())

    def _load(self, tid: int) -> tuple[Trial, bytes]:
        for trial in self._store.finished([tid]):
            with contextlib.suppress(KeyError, NoFile):
                file = dict(trial["_attachments"])[SCORES]
                return trial, self._store.attachments.read(file)
        raise EvaluationError(f"trial {tid} is to be continued, but its '{SCORES}' are gone")
