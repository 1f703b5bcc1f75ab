"""A job that ``hpconv doctor`` submits, and what became of it."""

import logging
import shlex
import time
from collections.abc import Callable, Sequence

from hpconv.errors import UserError
from hpconv.pbs.dialects import job_number
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import JobTracker, read_record
from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import NotNow, QueueStatus, Scheduler, SubmitError
from hpconv.pbs.verdicts import ACTIVE, JobState

WAIT_SECONDS, PAUSE, ASK_EVERY = 600.0, 1.0, 10
PATIENCE = 60.0  # seconds for files to appear on this host
LOG_CHARACTERS = 500

log = logging.getLogger(__name__)


class DoctorJob:
    """A submitted job whose standard output is the file ``output``.

    Raises:
        UserError: if the scheduler refuses it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        files: JobFiles,
        name: str,
        command: Sequence[str],
        *,
        resources: Resources,
        prologue: str,
    ) -> None:
        self._scheduler = scheduler
        self._begun = time.monotonic()
        stem = files.stem(name)
        self.output, self._log, self._record = (
            stem.with_suffix(".out"),
            files.log(stem),
            stem.with_suffix(".record"),
        )
        work = f"exec {shlex.join(command)} > {shlex.quote(str(self.output))}"
        script = files.write_script(stem, work, resources.minutes, prologue=prologue)
        try:
            self.id = scheduler.submit(
                *(script, f"hp-{name}"),
                output=self._log,
                id_file=files.id_file(stem),
                resources=resources,
            )
        except (NotNow, SubmitError) as refusal:
            raise UserError(str(refusal)) from None
        self._tracker = JobTracker(scheduler.dialect, resources.minutes, PATIENCE)
        self._status = QueueStatus()
        self._comment = ""

    def has_finished(self) -> bool:
        """Whether it ended successfully."""
        record = read_record(self._record)
        return record is not None and record.status == 0

    def age(self) -> float:
        """Seconds since it was submitted."""
        return time.monotonic() - self._begun

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition while the job waits or runs.

        Raises:
            UserError: if the job ends before, or the time limit is reached.
        """
        for second in range(int(WAIT_SECONDS)):
            if condition():
                return
            if second % ASK_EVERY == ASK_EVERY - 1:
                self._ask()
            kind, reason = self._state()
            if kind != ACTIVE and not condition():
                written = self._log.read_text()[-LOG_CHARACTERS:] if self._log.exists() else ""
                raise UserError(f"{self.id}: {reason} {written}".strip())
            time.sleep(PAUSE)
        why = self._comment or "is the queue full or stopped?"
        raise UserError(f"{self.id} is not ready after {WAIT_SECONDS / 60:.0f} minutes: {why}")

    def _ask(self) -> None:
        self._status = self._scheduler.query([self.id]) or self._status
        row = self._status.jobs.get(job_number(self.id))
        if row and row.state == "waiting" and row.comment != self._comment:
            self._comment = row.comment
            log.info("%s waits in the queue: %s", self.id, row.comment)

    def _state(self) -> JobState:
        number = job_number(self.id)
        row, unknown = self._status.jobs.get(number), number in self._status.unknown
        return self._tracker.state(read_record(self._record), row, unknown)
