"""Trials in MongoDB: hyperopt's collections and fields, and leases so that no trial is lost.

A trial is NEW until a worker reserves it, then RUNNING as long as its worker sends heartbeats,
and finally DONE (with a result, which may be a failure) or ERROR (a programming error). All times
are the server's, so the clocks of hosts may differ. Methods with ``retries_when_unreachable`` wait
for a server that is unreachable; those that a worker calls during an evaluation do not.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypedDict, cast

from pymongo import ASCENDING, DESCENDING, ReturnDocument, WriteConcern
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import ConnectionFailure, DuplicateKeyError

from hpconv.errors import CandidateError
from hpconv.mongodb.uri import DATABASE, Address
from hpconv.states import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING
from hpconv.storage.attachments import Attachments
from hpconv.storage.connection import PATIENCE_SECONDS, Connection, retries_when_unreachable
from hpconv.storage.search_record import SearchRecord
from hpconv.trials import Result, Rung, Standing, Trial, TrialId, failed_result

Query = dict[str, Any]  # in MongoDB's query language

LEASE_SECONDS = 60  # a worker loses its trial after this time without a heartbeat
MAX_ATTEMPTS = 3
BATCH = 100  # trials in memory at a time when all are read, up to 100 KB each
LOST = CandidateError("lost", f"{MAX_ATTEMPTS} workers stopped responding during this trial")
FINISHED = (JOB_STATE_DONE, JOB_STATE_ERROR)
OPEN = {"$in": [JOB_STATE_NEW, JOB_STATE_RUNNING]}
WAITING = {"state": JOB_STATE_NEW, "owner": None, "lease": None}
NEXT_VERSION = {"version": {"$add": ["$version", 1]}}  # tells hyperopt that the trial has changed
SERVER_TIME = "$$NOW"
IN_MEMORY = WriteConcern(w=1)  # for heartbeats, which a server crash may undo
INDEXES = (
    ("tid",),
    ("state", "tid"),
    ("state", "refresh_time", "book_time"),
    ("result.rungs.share", "result.rungs.loss"),
)


class TrialLost(Exception):
    """The trial has been requeued, and may be another worker's now."""


class WorkerDocument(TypedDict):
    """A document of the collection ``workers``."""

    _id: str  # the worker's name, ``processes.owner_name``
    exp_key: str
    heartbeat: datetime


class HeldTrial(NamedTuple):
    """A trial that a worker has reserved, and for how long."""

    tid: int
    seconds: float


@dataclass(frozen=True)
class QueueState:
    """Numbers of open trials, and the workers.

    Attributes:
        now: the server's time, UTC.
        queued: trials that wait for a worker.
        running: trials that a worker has reserved.
        workers: by name, the trial that each one holds.
    """

    now: datetime
    queued: int = 0
    running: int = 0
    workers: dict[str, HeldTrial | None] = field(default_factory=dict)


class Store:
    """The queue and history of one experiment.

    Attributes:
        exp_key: the experiment's name.
        connection: to the database.
        search: the experiment's search record.
        attachments: the experiment's files.
    """

    def __init__(
        self,
        address: Address,
        exp_key: str,
        database: str = DATABASE,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.exp_key = exp_key
        self.connection = self._connection = Connection(address, database, patience=patience)
        self.search = SearchRecord(self._connection, exp_key)
        self.attachments = Attachments(self._connection, exp_key)
        self._index()

    @retries_when_unreachable
    def _index(self) -> None:
        for fields in INDEXES:
            keys = [(field, ASCENDING) for field in ("exp_key", *fields)]
            self._jobs.create_index(keys, unique=fields == ("tid",))
        self._connection.db.job_ids.create_index("a")
        self._workers.create_index([("exp_key", ASCENDING), ("heartbeat", ASCENDING)])

    @property
    def _jobs(self) -> MongoCollection[Trial]:
        return cast(MongoCollection[Trial], self._connection.db.jobs)

    @property
    def _workers(self) -> MongoCollection[WorkerDocument]:
        return cast(MongoCollection[WorkerDocument], self._connection.db.workers)

    @retries_when_unreachable
    def insert(self, trial: Trial) -> None:
        """Queue a trial.

        Raises:
            DuplicateKeyError: if another trial has its tid.
        """
        waiting = {**WAITING, "book_time": None, "refresh_time": None, "attempts": 0, "version": 0}
        document = cast(Trial, {"exp_key": self.exp_key, **trial, **waiting})
        try:
            self._jobs.insert_one(document)
        except DuplicateKeyError:  # maybe the same trial, whose acknowledgement was lost
            existing = self._jobs.find_one(self._query(tid=trial["tid"]))
            if existing is None or existing["misc"] != trial["misc"]:
                raise
        # hyperopt's counter, from which its own drivers would continue
        counted = {"$max": {"last_id": trial["tid"] + 1}}
        job_ids = self._connection.db.job_ids.with_options(write_concern=IN_MEMORY)
        job_ids.update_one({"a": 0}, counted, upsert=True)

    def reserve(self, owner: str) -> Trial | None:
        """Reserve the oldest queued trial; None if there is none."""
        try:
            return self._reserve(owner)
        except ConnectionFailure:  # a trial may be reserved, and only the answer lost
            self._connection.retry(lambda: self.requeue_owned(owner))
            return self._connection.retry(lambda: self._reserve(owner))

    def _reserve(self, owner: str) -> Trial | None:
        taken = {"state": JOB_STATE_RUNNING, "owner": owner, "lease": LEASE_SECONDS}
        return self._jobs.find_one_and_update(
            self._query(state=JOB_STATE_NEW),
            [{"$set": {**taken, "book_time": "$$NOW", "refresh_time": "$$NOW"}}],
            sort=[("tid", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )

    def finish(
        self,
        trial: Trial | TrialId,
        owner: str,
        result: Result,
        attachments: dict[str, bytes] | None = None,
    ) -> None:
        """Write a trial's result and attachments; idempotent.

        Raises:
            TrialLost: if the trial is no longer this owner's.
        """
        attached = (attachments or {}).items()
        files = [(name, self.attachments.put(trial, name, blob)) for name, blob in attached]
        try:
            self._end(trial, owner, JOB_STATE_DONE, result=result, _attachments=files)
        except TrialLost:
            for _, file in files:
                self.attachments.delete(file)
            raise

    def fail(self, trial: Trial, owner: str, error: str) -> None:
        """End a trial with the traceback of a programming error.

        Raises:
            TrialLost: if the trial is no longer this owner's.
        """
        self._end(trial, owner, JOB_STATE_ERROR, error=error)

    @retries_when_unreachable
    def _end(self, trial: Trial | TrialId, owner: str, state: int, **fields: Any) -> None:
        ended = {name: {"$literal": value} for name, value in fields.items()}
        change = [{"$set": {**ended, "state": state, "refresh_time": "$$NOW", **NEXT_VERSION}}]
        if self._jobs.update_one(_owned_by(trial, owner), change).matched_count:
            return
        # maybe it has been written, and only the acknowledgement was lost
        if not self._jobs.find_one({**_owned_by(trial, owner), "state": state}, {"_id": True}):
            raise TrialLost(f"trial {trial['tid']} was given to another worker")

    def requeue_owned(self, owner: str) -> list[int]:
        """Requeue all trials of this owner; returns their tids."""
        held = self._query(state=JOB_STATE_RUNNING, owner=owner)
        tids = [trial["tid"] for trial in self._jobs.find(held, {"tid": True})]
        self._jobs.update_many(held, [{"$set": {**WAITING, **NEXT_VERSION}}])
        return tids

    def heartbeat(self, owner: str, trial: Trial | None) -> None:
        """Record the worker's heartbeat and extend its trial's lease.

        Raises:
            TrialLost: if the trial is no longer this owner's.
        """
        self._workers.with_options(write_concern=IN_MEMORY).update_one(
            {"_id": owner},
            [{"$set": {"exp_key": self.exp_key, "heartbeat": "$$NOW"}}],
            upsert=True,
        )
        if trial is not None:
            fresh = [{"$set": {"refresh_time": "$$NOW"}}]
            jobs = self._jobs.with_options(write_concern=IN_MEMORY)
            if not jobs.update_one(_owned_by(trial, owner), fresh).matched_count:
                raise TrialLost(f"trial {trial['tid']} was given to another worker")

    def reach_rung(self, trial: Trial, owner: str, reached: list[Rung]) -> Standing:
        """Store the rungs that a running trial has reached, and compare it at the last of them.

        Raises:
            TrialLost: if the trial is no longer this owner's.
        """
        jobs = self._jobs.with_options(write_concern=IN_MEMORY)
        stored = jobs.update_one(_owned_by(trial, owner), {"$set": {"result.rungs": reached}})
        if not stored.matched_count:
            raise TrialLost(f"trial {trial['tid']} was given to another worker")
        share, loss = reached[-1]["share"], reached[-1]["loss"]
        better = {"$elemMatch": {"share": share, "loss": {"$lt": loss}}}
        return Standing(
            better=self._jobs.count_documents(self._query(**{"result.rungs": better})),
            reached=self._jobs.count_documents(self._query(**{"result.rungs.share": share})),
        )

    def remove_worker(self, owner: str) -> None:
        """Remove a worker that ends from the list of live workers."""
        self._workers.delete_one({"_id": owner})

    @retries_when_unreachable
    def remove_silent_workers(self) -> None:
        """Remove workers that were killed in an earlier run."""
        alive = [worker["_id"] for worker in self._workers.find(self._alive(), {"_id": True})]
        self._workers.delete_many(self._query(_id={"$nin": alive}))

    @retries_when_unreachable
    def worker_names(self) -> list[str]:
        """Names of the workers that have not ended by themselves."""
        return sorted(worker["_id"] for worker in self._workers.find(self._query(), {"_id": True}))

    @retries_when_unreachable
    def count_live_workers(self) -> int:
        """The number of workers whose last heartbeat is fresh."""
        return self._workers.count_documents(self._alive())

    @retries_when_unreachable
    def queue_state(self) -> QueueState:
        """Read the state of the queue; reads no trials that have ended."""
        seconds = {"$divide": [{"$subtract": ["$$NOW", "$book_time"]}, 1000]}
        fields = {"_id": False, "tid": True, "state": True, "owner": True, "seconds": seconds}
        found = self._jobs.aggregate([{"$match": self._query(state=OPEN)}, {"$project": fields}])
        trials = cast(list[dict[str, Any]], list(found))
        running = [trial for trial in trials if trial["state"] == JOB_STATE_RUNNING]
        alive = self._workers.find(self._alive(), {"_id": True})
        return QueueState(
            self._connection.db.command("hello")["localTime"].replace(tzinfo=UTC),
            queued=len(trials) - len(running),
            running=len(running),
            # hyperopt's workers send no heartbeat, but hold trials
            workers=dict.fromkeys((worker["_id"] for worker in alive), None)
            | {str(t["owner"]): HeldTrial(t["tid"], t["seconds"]) for t in running},
        )

    @retries_when_unreachable
    def requeue_expired(self, now: datetime | str = SERVER_TIME) -> None:
        """Requeue trials whose lease has expired; the third time they fail as ``lost``.

        Trials of hyperopt's workers, which send no heartbeat, have no lease.
        """
        expired = {"$expr": {"$lt": ["$refresh_time", _seconds_before(now, "$lease")]}}
        lost = {"$gte": ["$attempts", MAX_ATTEMPTS - 1]}
        change = {
            **WAITING,
            **NEXT_VERSION,
            "state": {"$cond": [lost, JOB_STATE_DONE, JOB_STATE_NEW]},
            "result": {"$cond": [lost, {"$literal": failed_result(LOST, {})}, "$result"]},
            "attempts": {"$add": ["$attempts", 1]},
            "refresh_time": "$$NOW",
        }
        running = self._query(state=JOB_STATE_RUNNING, lease={"$ne": None}, **expired)
        self._jobs.update_many(running, [{"$set": change}])

    @retries_when_unreachable
    def count(self, state: int | None = None) -> int:
        """The number of trials in a state, or of all trials."""
        return self._jobs.count_documents(
            self._query(**({} if state is None else {"state": state}))
        )

    @retries_when_unreachable
    def finished(self, tids: Collection[int] | None = None) -> list[Trial]:
        """Trials that have ended, sorted by tid: all, or those with these tids."""
        query = self._query(state={"$in": FINISHED})
        if tids is not None:
            query["tid"] = {"$in": list(tids)}
        return list(self._jobs.find(query).sort("tid", ASCENDING))

    def history(self, order: Literal["tid", "refresh_time"]) -> Iterator[list[Trial]]:
        """All trials that have ended, in batches of that order; within a batch, by tid."""
        tids = self._ended(order)
        for start in range(0, len(tids), BATCH):
            yield self.finished(tids[start : start + BATCH])

    @retries_when_unreachable
    def _ended(self, order: str) -> list[int]:
        ended = self._jobs.find(self._query(state={"$in": FINISHED}), {"tid": True, "_id": False})
        return [trial["tid"] for trial in ended.sort(order, ASCENDING)]

    @retries_when_unreachable
    def unfinished(self) -> list[Trial]:
        """Trials that have not ended, by tid: what a suggestion algorithm reads of them."""
        fields = dict.fromkeys(("tid", "state", "spec", "misc", "result"), True)
        return list(self._jobs.find(self._query(state=OPEN), fields).sort("tid", ASCENDING))

    @retries_when_unreachable
    def durations(self, count: int) -> list[float]:
        """Durations (s) of the last finished trials, at most count of them."""
        done = self._jobs.find(
            self._query(state=JOB_STATE_DONE),
            {"book_time": True, "refresh_time": True, "_id": False},  # covered by an index
            sort=[("refresh_time", DESCENDING)],
            limit=count,
        )
        times = cast(list[dict[str, datetime]], list(done))
        return [(each["refresh_time"] - each["book_time"]).total_seconds() for each in times]

    def _alive(self) -> Query:
        return self._query(
            **{"$expr": {"$gt": ["$heartbeat", _seconds_before(SERVER_TIME, LEASE_SECONDS)]}}
        )

    def _query(self, **query: Any) -> Query:
        return {"exp_key": self.exp_key, **query}


def _owned_by(trial: Trial | TrialId, owner: str) -> Query:
    # book_time distinguishes two reservations of a trial by the same worker
    return {
        "_id": trial["_id"],
        "owner": owner,
        "book_time": trial["book_time"],
        "state": JOB_STATE_RUNNING,
    }


def _seconds_before(now: datetime | str, seconds: int | str) -> Query:
    return {"$subtract": [now, {"$multiply": [seconds, 1000]}]}
