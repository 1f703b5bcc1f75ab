"""Attachments in GridFS, where hyperopt has them: the objective, and what trials bring along."""

from typing import Any

import cloudpickle
from bson import ObjectId
from gridfs import GridFS
from hyperopt.base import Domain
from pymongo import ASCENDING, DESCENDING

from hpconv.storage.connection import Connection, retries_when_unreachable
from hpconv.trials import Trial, TrialId

OBJECTIVE = "FMinIter_Domain"  # hyperopt's name for it, in every trial's misc.cmd
MAX_BYTES = 16 * 2**20  # of all attachments of a trial; more belongs into files


class Attachments:
    """The attachments of one experiment."""

    def __init__(self, connection: Connection, exp_key: str) -> None:
        self._connection = connection
        self._exp_key = exp_key
        connection.retry(self._index)

    @retries_when_unreachable
    def put_objective(self, domain: Domain) -> None:
        """Attach space and objective as hyperopt does, in place of an earlier one.

        The new one is there before the old one goes: a worker never finds none.
        """
        blob = cloudpickle.dumps(domain)
        new = self._gridfs().put(blob, filename=OBJECTIVE, exp_key=self._exp_key)
        for old in self._files().find({**self._named_objective(), "_id": {"$ne": new}}):
            self._gridfs().delete(old["_id"])

    @retries_when_unreachable
    def objective(self) -> ObjectId | None:
        """The newest objective's file, or None while no driver has attached one."""
        newest = self._files().find_one(self._named_objective(), sort=[("uploadDate", DESCENDING)])
        return newest and newest["_id"]

    @retries_when_unreachable
    def read(self, file: ObjectId) -> bytes:
        """The content of a file.

        Raises:
            gridfs.NoFile: when it is gone.
        """
        return self._gridfs().get(file).read()

    @retries_when_unreachable
    def put(self, trial: Trial | TrialId, name: str, blob: bytes) -> ObjectId:
        """Write a file of a trial; Store.finish lists it in the trial."""
        return self._gridfs().put(blob, filename=f"{trial['_id']}_{name}", exp_key=self._exp_key)

    @retries_when_unreachable
    def delete(self, file: ObjectId) -> None:
        """Delete a file, if it is there."""
        self._gridfs().delete(file)

    def _named_objective(self) -> dict[str, Any]:
        return {"exp_key": self._exp_key, "filename": OBJECTIVE}

    def _gridfs(self) -> GridFS:
        return GridFS(self._connection.db)

    def _files(self) -> Any:
        return self._connection.db.fs.files

    def _index(self) -> None:
        keys = [("exp_key", ASCENDING), ("filename", ASCENDING), ("uploadDate", DESCENDING)]
        self._files().create_index(keys)
