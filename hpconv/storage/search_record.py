"""The record of a search: its fingerprint, which driver leads it, and whether it is over."""

import logging
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from pymongo import ReturnDocument
from pymongo.collection import Collection

from hpconv.errors import UserError
from hpconv.processes import poll_until
from hpconv.storage.connection import Connection, retries_when_unreachable

DRIVER_SECONDS = 5.0  # a driver may be replaced after this time without a heartbeat
POLL_SECONDS = 0.5
BREAK_SECONDS = 30.0  # without a heartbeat; half of the time after which a worker loses its trial

log = logging.getLogger(__name__)


class Leader(TypedDict):
    """The driver that leads a search."""

    name: str
    beat: datetime  # its last heartbeat
    since: datetime  # its first heartbeat after a break
    ready: bool  # its objective is attached


class SearchDocument(TypedDict, total=False):
    """A document of the collection ``searches``; all times are the server's."""

    _id: str  # the experiment's name
    driver: Leader | None
    finished: bool  # no more trials will be queued
    fingerprint: str  # of data and model
    space: str | None  # hash of the search space; of the first driver that recorded one
    code: str | None  # version of hpconv and of the code that computes features, likewise
    seconds: float  # searched by all drivers together


class Beat(NamedTuple):
    """A heartbeat of the driver."""

    time: datetime  # the server's, UTC
    unbroken: float  # seconds since the first heartbeat after a break


class SearchRecord:
    """The search record of one experiment."""

    def __init__(self, connection: Connection, exp_key: str) -> None:
        self._connection = connection
        self._exp_key = exp_key

    def open(
        self,
        fingerprint: str,
        driver: str,
        *,
        space: str | None = None,
        code: str | None = None,
    ) -> float:
        """Begin or continue the search with this driver as its only leader.

        Args:
            space: hash of the search space; None if it is unknown.
            code: version of hpconv and of the code that computes features; a search that was begun
                with another one is continued, with a warning.

        Returns:
            seconds of searching by earlier drivers.

        Raises:
            UserError: if another driver leads it, or the experiment was begun with other data,
                another model or another search space.
        """
        begun = poll_until(
            lambda: self._take(fingerprint, driver, space, code),
            DRIVER_SECONDS + POLL_SECONDS,  # a dead driver's heartbeat is too old by then
            POLL_SECONDS,
        )
        if begun is None:
            raise UserError(
                f"another driver, {self._leader()}, leads the search of experiment "
                f"'{self._exp_key}': wait for its end, or stop it before you start this one"
            )
        if begun["fingerprint"] != fingerprint:
            self.release(driver)
            raise UserError(
                f"experiment '{self._exp_key}' has trials of other data or another model: "
                "choose a new 'experiment' name, or delete its folder to start over"
            )
        if space is not None and begun["space"] != space:
            self.release(driver)
            raise UserError(
                f"experiment '{self._exp_key}' has trials of another search space, that of another "
                "version of hpconv: continue it with that version, or choose a new 'experiment' "
                "name"
            )
        if code is not None and begun["code"] != code:
            log.warning(
                "experiment '%s' was begun with hpconv %s, this is %s: if features have changed, "
                "earlier errors do not compare; choose a new 'experiment' name to be sure",
                *(self._exp_key, begun["code"], code),
            )
        return begun["seconds"]

    @retries_when_unreachable
    def _take(
        self, fingerprint: str, driver: str, space: str | None, code: str | None
    ) -> SearchDocument | None:
        silent = {"$lt": ["$driver.beat", {"$subtract": ["$$NOW", int(DRIVER_SECONDS * 1000)]}]}
        free = [{"driver": None}, {"driver.name": driver}, {"$expr": silent}]
        change = {
            "driver": {"name": driver, "beat": "$$NOW", "since": "$$NOW", "ready": False},
            "finished": False,
            "fingerprint": {"$ifNull": ["$fingerprint", {"$literal": fingerprint}]},
            "space": {"$ifNull": ["$space", {"$literal": space}]},
            "code": {"$ifNull": ["$code", {"$literal": code}]},
            "seconds": {"$ifNull": ["$seconds", 0.0]},
        }
        unled = {"$setOnInsert": {"driver": None}}
        self._searches().update_one({"_id": self._exp_key}, unled, upsert=True)
        return self._searches().find_one_and_update(
            {"_id": self._exp_key, "$or": free},
            [{"$set": change}],
            return_document=ReturnDocument.AFTER,
        )

    @retries_when_unreachable
    def heartbeat(self, driver: str, searched: float) -> Beat:
        """Record the driver's heartbeat, and the seconds of searching by all drivers so far.

        They are a sum, so that a retry after a lost answer adds nothing.

        Raises:
            UserError: if another driver has taken over.
        """
        silence = {"$subtract": ["$$NOW", "$driver.beat"]}
        is_break = {"$gt": [silence, int(BREAK_SECONDS * 1000)]}
        change = {
            "driver.beat": "$$NOW",
            "driver.since": {"$cond": [is_break, "$$NOW", "$driver.since"]},
            "seconds": searched,
        }
        led = self._searches().find_one_and_update(
            {"_id": self._exp_key, "driver.name": driver},
            [{"$set": change}],
            return_document=ReturnDocument.AFTER,
        )
        if led is None:
            raise UserError(f"another driver, {self._leader()}, has taken this search over")
        leader = cast(Leader, led["driver"])
        unbroken = (leader["beat"] - leader["since"]).total_seconds()
        return Beat(leader["beat"], unbroken)

    @retries_when_unreachable
    def set_ready(self, driver: str) -> None:
        """Record that the driver has attached its objective, if it leads the search."""
        led = {"_id": self._exp_key, "driver.name": driver}
        self._searches().update_one(led, {"$set": {"driver.ready": True}})

    @retries_when_unreachable
    def is_ready(self) -> bool:
        """Whether the attached objective is current: not one that a driver is about to replace.

        Also true without a search record: others, such as hyperopt, may fill the queue.
        """
        search = self._searches().find_one({"_id": self._exp_key}, {"driver.ready": True})
        return search is None or bool((search.get("driver") or {"ready": False}).get("ready"))

    @retries_when_unreachable
    def close(self, driver: str) -> None:
        """Mark the search as over, so that workers exit, if this driver leads it."""
        led = {"_id": self._exp_key, "driver.name": driver}
        self._searches().update_one(led, {"$set": {"finished": True}})

    def release(self, driver: str) -> None:
        """Give up the lead, so that another driver can take it."""
        led = {"_id": self._exp_key, "driver.name": driver}
        self._searches().update_one(led, {"$set": {"driver": None}})

    @retries_when_unreachable
    def is_over(self) -> bool:
        """Whether the driver has closed the search."""
        return self.is_over_now()

    def is_over_now(self) -> bool:
        """As ``is_over``, but raises pymongo's error if the server is unreachable."""
        search = self._searches().find_one({"_id": self._exp_key}, {"finished": True})
        return bool(search and search.get("finished"))

    @retries_when_unreachable
    def _leader(self) -> str:
        search = self._searches().find_one({"_id": self._exp_key}, {"driver": True})
        leader = search.get("driver") if search else None
        return leader["name"] if leader else "unknown"

    def _searches(self) -> Collection[SearchDocument]:
        return cast(Collection[SearchDocument], self._connection.db.searches)
