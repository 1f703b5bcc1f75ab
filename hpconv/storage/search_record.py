"""The record of a search: what it is about, which driver leads it, and whether it is over."""

from typing import Any

from pymongo import ReturnDocument

from hpconv.errors import UserError
from hpconv.processes import poll_until
from hpconv.storage.connection import Connection, retries_when_unreachable

DRIVER_SECONDS = 5.0  # a driver silent for so long may be replaced
LOOK_SECONDS = 0.5


class SearchRecord:
    """One experiment's document in ``searches``; all times in it are the server's."""

    def __init__(self, connection: Connection, exp_key: str) -> None:
        self._connection = connection
        self._exp_key = exp_key

    def open(self, fingerprint: str, driver: str) -> None:
        """Begin or continue the search, led by this driver and no other.

        Raises:
            UserError: when another driver leads it, or when the experiment was begun with
                other data or another space.
        """
        begun = poll_until(
            lambda: self._take(fingerprint, driver),
            DRIVER_SECONDS + LOOK_SECONDS,  # a dead driver's heartbeat is too old by then
            LOOK_SECONDS,
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
                "choose a new 'experiment' name, or delete its folder to begin anew"
            )

    @retries_when_unreachable
    def _take(self, fingerprint: str, driver: str) -> dict[str, Any] | None:
        silent = {"$lt": ["$driver.beat", {"$subtract": ["$$NOW", int(DRIVER_SECONDS * 1000)]}]}
        free = [{"driver": None}, {"driver.name": driver}, {"$expr": silent}]
        change = {
            "driver": {"name": driver, "beat": "$$NOW"},
            "finished": False,
            "fingerprint": {"$ifNull": ["$fingerprint", {"$literal": fingerprint}]},
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
    def heartbeat(self, driver: str, seconds: float) -> float:
        """Say that the driver lives, and has searched for so many seconds since it last did.

        Returns:
            the seconds of searching since the experiment began, over all its drivers.

        Raises:
            UserError: when another driver has taken over.
        """
        led = self._searches().find_one_and_update(
            {"_id": self._exp_key, "driver.name": driver},
            [{"$set": {"driver.beat": "$$NOW", "seconds": {"$add": ["$seconds", seconds]}}}],
            return_document=ReturnDocument.AFTER,
        )
        if led is None:
            raise UserError(f"another driver, {self._leader()}, has taken this search over")
        return float(led["seconds"])

    @retries_when_unreachable
    def close(self, driver: str) -> None:
        """Tell the workers that no more trials will come, if this driver leads the search."""
        led = {"_id": self._exp_key, "driver.name": driver}
        self._searches().update_one(led, {"$set": {"finished": True}})

    def release(self, driver: str) -> None:
        """Let another driver lead."""
        led = {"_id": self._exp_key, "driver.name": driver}
        self._searches().update_one(led, {"$set": {"driver": None}})

    @retries_when_unreachable
    def is_over(self) -> bool:
        """Whether the driver has closed the search."""
        return self.is_over_now()

    def is_over_now(self) -> bool:
        """The same, without waiting for a server that is away."""
        search = self._searches().find_one({"_id": self._exp_key}, {"finished": True})
        return bool(search and search.get("finished"))

    @retries_when_unreachable
    def _leader(self) -> str:
        search = self._searches().find_one({"_id": self._exp_key}, {"driver": True})
        return str(((search or {}).get("driver") or {}).get("name"))

    def _searches(self) -> Any:
        return self._connection.db.searches
