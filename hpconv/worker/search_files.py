"""What the files of a search tell its workers: where the server is, or why there will be none.

A search waits until its server has published an address, runs while the file with that address is
there, has stopped when its driver or its workflow has ended without a result, and is over when its
driver has written the summary. After a driver whose walltime is used the search waits again.
"""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from hpconv.mongodb import connection_file
from hpconv.mongodb.connection_file import ServerRecord
from hpconv.processes import Pulse, Reminder
from hpconv.worker.walltime import Walltime, WalltimeUsed, may_submit_again

PAUSE = 1.0
HEARTBEAT = "run"  # file of the executor
YIELD_SECONDS = 900.0  # without a server, after which a job leaves its node to the driver's job
SILENT_SECONDS = 300.0  # a workflow without a heartbeat for so long has been killed


class SearchOver(Exception):
    """The search is over; the current trial is not needed."""

    def __str__(self) -> str:
        return "the search is over"


class SearchStopped(Exception):
    """The search has stopped without a result, and this run of the workflow does not go on."""


class SearchFiles:
    """The files of a search, for a worker in one run of the workflow.

    Args:
        connection: connection file of the server.
        is_over: whether the driver has written its summary.
        stopped: file into which the driver writes why it has stopped.
        failure: file into which the executor writes why the driver's job has failed; beside it is
            the run's heartbeat. On one machine there is neither.
        walltime: of this job.
    """

    def __init__(
        self,
        connection: Path,
        is_over: Callable[[], bool],
        *,
        stopped: Path,
        failure: Path,
        walltime: Walltime,
    ) -> None:
        self._connection, self._is_over, self._walltime = connection, is_over, walltime
        self._reasons = (stopped, failure)
        self._heartbeat = failure.with_name(HEARTBEAT) if failure.parent.exists() else None
        self._pulse = Pulse()
        self._parent = os.getppid()
        self._uri, self._last_seen = "", time.monotonic()

    def wait(self) -> None:
        """Wait until the server has published its address.

        Raises:
            SearchOver, SearchStopped, WalltimeUsed: as ``address``.
        """
        reminder = Reminder()
        while not self.address():
            reminder.tick(f"waiting for the server: there is no {self._connection} yet")
            time.sleep(PAUSE)

    def await_driver(self, is_closed: Callable[[], bool]) -> None:
        """Wait until the driver has opened a search that is continued.

        Args:
            is_closed: whether the search is closed in the database, as an earlier driver left it.

        Raises:
            SearchOver, SearchStopped, WalltimeUsed: as ``address``.
        """
        reminder = Reminder()
        while is_closed():
            self.address()
            reminder.tick("waiting for the driver, which continues the search")
            time.sleep(PAUSE)

    def address(self) -> str:
        """The URI of the server; while there is none, the last one (first, an empty text).

        Raises:
            SearchOver: if the driver has written its summary.
            SearchStopped: if no server will come.
            WalltimeUsed: if this job has no time to wait for one, or has waited so long that it
                should queue behind the driver's job.
        """
        if self._is_over():
            raise SearchOver
        record = connection_file.published(self._connection)
        if reason := record.error or self._reason_to_stop(record):
            raise SearchStopped(reason)
        self._walltime.check()
        if record.uri:
            self._last_seen = time.monotonic()
        elif may_submit_again() and time.monotonic() - self._last_seen > YIELD_SECONDS:
            raise WalltimeUsed(f"no server for {YIELD_SECONDS / 60:.0f} minutes, its job may wait")
        self._uri = record.uri or self._uri
        return self._uri

    def _reason_to_stop(self, record: ServerRecord) -> str | None:
        for file in self._reasons:
            if file.exists():
                return file.read_text().strip()
        if self._heartbeat is None:  # one machine
            ended = os.getppid() != self._parent
            return "the workflow has ended" if ended else _why_dead(record)
        if not self._heartbeat.exists():
            return "the workflow has ended"
        if self._pulse.silent_seconds(self._heartbeat) > SILENT_SECONDS:
            return f"the workflow has had no heartbeat for {SILENT_SECONDS / 60:.0f} minutes"
        return None


def _why_dead(record: ServerRecord) -> str | None:
    here = record.host == socket.gethostname()
    if not here or record.external or psutil.pid_exists(record.pid):
        return None
    return f"the server's process {record.pid} has died"
