"""Attachments in GridFS, as hyperopt stores them: the objective, and files of trials."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast

import cloudpickle
from bson import ObjectId
from gridfs import GridFS
from gridfs.errors import FileExists
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from hpconv.storage.connection import Connection, retries_when_unreachable
from hpconv.trials import Trial, TrialId

if TYPE_CHECKING:
    from hyperopt.base import Domain

OBJECTIVE = "FMinIter_Domain"  # hyperopt's name for the objective, in every trial's misc.cmd
MAX_BYTES = 16 * 2**20  # for all attachments of a trial


class FileDocument(TypedDict):
    """A document of the collection ``fs.files``."""

    _id: ObjectId
    exp_key: str
    filename: str
    uploadDate: datetime


class Attachments:
    """The attachments of one experiment."""

    def __init__(self, connection: Connection, exp_key: str) -> None:
        self._connection = connection
        self._exp_key = exp_key
        connection.retry(self._index)

    def put_objective(self, domain: "Domain") -> None:
        """Attach the search space and objective as hyperopt does, replacing an earlier one.

        The new one is written before the old one is deleted, so that workers always find one.
        """
        blob = cloudpickle.dumps(domain)
        new = self._put(OBJECTIVE, blob)
        for old in self._objectives():
            if old != new:
                self.delete(old)

    @retries_when_unreachable
    def _objectives(self) -> list[ObjectId]:
        return [file["_id"] for file in self._files().find(self._named_objective())]

    @retries_when_unreachable
    def objective(self) -> ObjectId | None:
        """The file of the latest objective; None until a driver has attached one."""
        newest = self._files().find_one(self._named_objective(), sort=[("uploadDate", DESCENDING)])
        return newest and newest["_id"]

    @retries_when_unreachable
    def read(self, file: ObjectId) -> bytes:
        """The content of a file.

        Raises:
            gridfs.NoFile: if it has been deleted.
        """
        return self._gridfs().get(file).read()

    def put(self, trial: Trial | TrialId, name: str, blob: bytes) -> ObjectId:
        """Write a file of a trial, to be listed in it by ``Store.finish``."""
        return self._put(f"{trial['_id']}_{name}", blob)

    def _put(self, filename: str, blob: bytes) -> ObjectId:
        file = ObjectId()  # the same in every attempt, so that none leaves a second file
        self._connection.retry(lambda: self._write(file, filename, blob))
        return file

    def _write(self, file: ObjectId, filename: str, blob: bytes) -> None:
        try:
            self._gridfs().put(blob, _id=file, filename=filename, exp_key=self._exp_key)
        except FileExists:  # in part or in full, by an attempt whose answer was lost
            self._gridfs().delete(file)
            self._write(file, filename, blob)

    @retries_when_unreachable
    def delete(self, file: ObjectId) -> None:
        """Delete a file if it exists."""
        self._gridfs().delete(file)

    def _named_objective(self) -> dict[str, Any]:
        return {"exp_key": self._exp_key, "filename": OBJECTIVE}

    def _gridfs(self) -> GridFS:
        return GridFS(self._connection.db)

    def _files(self) -> Collection[FileDocument]:
        return cast(Collection[FileDocument], self._connection.db.fs.files)

    def _index(self) -> None:
        keys = [("exp_key", ASCENDING), ("filename", ASCENDING), ("uploadDate", DESCENDING)]
        self._files().create_index(keys)
