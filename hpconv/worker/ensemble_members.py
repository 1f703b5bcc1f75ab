"""The earlier trials of an ensemble with their scores, for the trial that extends it."""

import contextlib

from gridfs import NoFile

from hpconv.storage.store import Store
from hpconv.trials import SCORES, Trial, members
from hpconv.worker.evaluator import EvaluationError
from hpconv.worker.messages import ScoredTrial


class MemberCache:
    """Reads the members of ensembles from the database, and keeps those of the last one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[int, ScoredTrial] = {}  # by tid

    def members_of(self, trial: Trial) -> list[ScoredTrial]:
        """The members of the ensemble that a trial extends, oldest first.

        Raises:
            EvaluationError: if the scores of one of them are missing.
        """
        self._read = {tid: self._read.get(tid) or self._load(tid) for tid in members(trial)}
        return list(self._read.values())

    def _load(self, tid: int) -> ScoredTrial:
        for trial in self._store.finished([tid]):
            with contextlib.suppress(KeyError, NoFile):
                file = dict(trial["_attachments"])[SCORES]
                return ScoredTrial(trial, self._store.attachments.read(file))
        raise EvaluationError(f"the ensemble's trial {tid} has no attachment '{SCORES}'")
