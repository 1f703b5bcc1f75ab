"""Trials in MongoDB: hyperopt's collections and fields, with leases so that none is lost.

A trial is NEW until a worker reserves it, RUNNING while that worker's heartbeat is fresh, and
DONE (with a result, which may be a failed candidate) or ERROR in the end. All times are the
server's, so hosts need not agree on the clock.
"""

from datetime import datetime
from typing import Any

from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING
from pymongo import ASCENDING, MongoClient, ReturnDocument

from hpconv.errors import UserError

LEASE_SECONDS = 60  # a worker silent for so long has lost its trial
MAX_ATTEMPTS = 3
FINISHED = (JOB_STATE_DONE, JOB_STATE_ERROR)

Document = dict[str, Any]


class TrialLost(Exception):
    """The trial was given to another worker in the meantime."""


class Store:
    """The queue and history of one experiment (its exp_key)."""

    def __init__(self, uri: str, exp_key: str, database: str = "hpconv") -> None:
        # a result counts when a majority of servers has it on disk
        self._client: MongoClient[Document] = MongoClient(
            uri, w="majority", journal=True, appname="hpconv"
        )
        db = self._client[database]
        self._jobs, self._ids = db.jobs, db.job_ids
        self._searches, self._workers = db.searches, db.workers
        self.exp_key = exp_key
        self._ids.create_index([("exp_key", 1)], unique=True)
        self._jobs.create_index([("exp_key", 1), ("tid", 1)], unique=True)
        self._jobs.create_index([("exp_key", 1), ("state", 1), ("tid", 1)])
        self._jobs.create_index([("exp_key", 1), ("state", 1), ("refresh_time", 1)])
        self._workers.create_index([("exp_key", 1), ("heartbeat", 1)])

    def open_search(self, fingerprint: str) -> None:
        """Begin or continue the search.

        Raises:
            UserError: when the experiment was begun with other data or another space.
        """
        begun = self._searches.find_one_and_update(
            {"_id": self.exp_key},
            {"$set": {"finished": False}, "$setOnInsert": {"fingerprint": fingerprint}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert begun is not None  # upserted
        if begun["fingerprint"] != fingerprint:
            raise UserError(
                f"experiment '{self.exp_key}' has trials of other data or another model: "
                "choose a new 'experiment' name, or delete its folder to begin anew"
            )

    def close_search(self) -> None:
        """Tell the workers that no more trials will come."""
        self._searches.update_one({"_id": self.exp_key}, {"$set": {"finished": True}})

    def search_is_over(self) -> bool:
        """Whether the driver has closed the search."""
        search = self._searches.find_one({"_id": self.exp_key})
        return bool(search and search["finished"])

    def next_tid(self) -> int:
        """A trial number that nobody had before."""
        counter = self._ids.find_one_and_update(
            {"exp_key": self.exp_key}, {"$inc": {"last_id": 1}}, upsert=True
        )
        return int(counter["last_id"]) if counter else 0

    def insert(self, trial: Document) -> None:
        """Queue a trial."""
        empty = {"owner": None, "book_time": None, "refresh_time": None, "attempts": 0}
        self._jobs.insert_one(
            trial | empty | {"exp_key": self.exp_key, "state": JOB_STATE_NEW, "version": 0}
        )

    def reserve(self, owner: str) -> Document | None:
        """Take the oldest waiting trial, or None."""
        taken = {"state": JOB_STATE_RUNNING, "owner": owner, "book_time": "$$NOW"}
        return self._jobs.find_one_and_update(
            {"exp_key": self.exp_key, "state": JOB_STATE_NEW},
            [{"$set": {**taken, "refresh_time": "$$NOW"}}],
            sort=[("tid", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )

    def finish(self, trial: Document, owner: str, result: Document) -> None:
        """Write a result and the end of its trial at once.

        Raises:
            TrialLost: when the trial is no longer this owner's.
        """
        self._end(trial, owner, state=JOB_STATE_DONE, result={"$literal": result})

    def fail(self, trial: Document, owner: str, error: str) -> None:
        """End a trial that showed a programming error.

        Raises:
            TrialLost: when the trial is no longer this owner's.
        """
        self._end(trial, owner, state=JOB_STATE_ERROR, error={"$literal": error})

    def give_back(self, owner: str) -> list[int]:
        """Put whatever this owner holds back into the queue; returns the trials' tids."""
        held = {"exp_key": self.exp_key, "owner": owner, "state": JOB_STATE_RUNNING}
        tids = [trial["tid"] for trial in self._jobs.find(held)]
        self._jobs.update_many(held, {"$set": {"state": JOB_STATE_NEW, "owner": None}})
        return tids

    def _end(self, trial: Document, owner: str, **fields: Any) -> None:
        change = [{"$set": {**fields, "refresh_time": "$$NOW"}}]
        if not self._jobs.update_one(_held(trial, owner), change).matched_count:
            raise TrialLost(f"trial {trial['tid']} was given to another worker")

    def heartbeat(self, owner: str, trial: Document | None) -> None:
        """Say that a worker lives, and that it still works on its trial.

        Raises:
            TrialLost: when the trial is no longer this owner's.
        """
        self._workers.update_one(
            {"_id": owner},
            [{"$set": {"exp_key": self.exp_key, "heartbeat": "$$NOW"}}],
            upsert=True,
        )
        if trial is not None:
            self._end(trial, owner)

    def leave(self, owner: str) -> None:
        """Say that a worker has ended."""
        self._workers.delete_one({"_id": owner})

    def live_workers(self) -> int:
        """Workers with a fresh heartbeat."""
        return self._workers.count_documents({"exp_key": self.exp_key, **_fresh("$heartbeat")})

    def requeue_silent(self) -> None:
        """Give the trials of silent workers to others; after three attempts they are lost."""
        silent = {
            "exp_key": self.exp_key,
            "state": JOB_STATE_RUNNING,
            "$nor": [_fresh("$refresh_time")],
        }
        lost = {"$gte": ["$attempts", MAX_ATTEMPTS - 1]}
        change = {
            "state": {"$cond": [lost, JOB_STATE_ERROR, JOB_STATE_NEW]},
            "error": {"$cond": [lost, f"lost: {MAX_ATTEMPTS} workers fell silent", "$$REMOVE"]},
            "attempts": {"$add": ["$attempts", 1]},
            "refresh_time": "$$NOW",
        }
        self._jobs.update_many(silent, [{"$set": {**change, "owner": None}}])

    def count(self, state: int | None = None) -> int:
        """Trials in a state, or all."""
        query = {"exp_key": self.exp_key} | ({} if state is None else {"state": state})
        return self._jobs.count_documents(query)

    def finished(self, since: datetime | None = None) -> list[Document]:
        """Trials that have ended, or those whose end came at this time or later, by tid."""
        query: Document = {"exp_key": self.exp_key, "state": {"$in": FINISHED}}
        if since is not None:
            query["refresh_time"] = {"$gte": since}
        return list(self._jobs.find(query).sort("tid", ASCENDING))


def _held(trial: Document, owner: str) -> Document:
    return {"_id": trial["_id"], "owner": owner, "state": JOB_STATE_RUNNING}


def _fresh(field: str) -> Document:
    age = {"$subtract": ["$$NOW", field]}
    return {"$expr": {"$lt": [age, LEASE_SECONDS * 1000]}}
