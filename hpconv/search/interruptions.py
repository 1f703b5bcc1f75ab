"""What ends a driver of the workflow before its search, and what its workers are told then."""

import contextlib
from pathlib import Path
from types import TracebackType

from hpconv.errors import UserError
from hpconv.files import write_atomically
from hpconv.mongodb import admin, connection_file
from hpconv.search.driver import error_reason
from hpconv.worker.walltime import Walltime, WalltimeUsed, submit_again

MARGIN = 60.0  # seconds of walltime for the server to shut down


class Interruptions:
    """A context for the driver: its workers learn at once that it has stopped, and why.

    Raises:
        UserError: if the walltime of the job leaves no time to search.

    Args:
        connection: connection file of the server, which is shut down at the end of the walltime.
        stopped: file for the reason.
        workers: file that exists when all workers have ended, with their records.
    """

    def __init__(self, connection: Path, stopped: Path | None, workers: Path | None) -> None:
        self._connection, self._stopped, self._workers = connection, stopped, workers
        self._walltime = Walltime(None)
        if self._walltime.total < 1.25 * MARGIN:
            raise UserError(
                f"the walltime of the driver's job is {self._walltime.total:.0f} s: give it more, "
                f"it needs {MARGIN:.0f} s to end in order"
            )

    def check(self) -> None:
        """Raise an error if the driver must end.

        Raises:
            WalltimeUsed: if the walltime of this job is nearly used.
            UserError: if all workers have ended.
        """
        self._walltime.check(MARGIN)
        if self._workers and self._workers.exists():
            records = self._workers.read_text().split("\n")
            reasons = " ".join(sorted({record for record in records if record}))
            raise UserError(f"all workers have ended before the search: {reasons}")

    def __enter__(self) -> "Interruptions":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, WalltimeUsed):
            if not connection_file.published(self._connection).external:
                admin.stop(self._connection)
            submit_again(error)
        if error is not None and self._stopped:
            with contextlib.suppress(OSError):  # such as a full disk, of which the error tells
                write_atomically(self._stopped, error_reason(error))
