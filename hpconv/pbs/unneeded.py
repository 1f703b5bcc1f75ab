"""Jobs that others can do without: those of a rule with the resource ``pbs_until``, a file.

Such a job never fails the workflow, unless the scheduler refuses it. When the file exists, the job
is no longer needed: it is removed from the queue, and deleted if it does not end by itself. It is
also removed from the queue when another job has failed.
"""

import threading
import time
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.scheduler import Scheduler
from hpconv.pbs.threads import Submission
from hpconv.pbs.verdicts import ACTIVE, DELETED, JobState

ENDING_SECONDS = 60.0  # for a running job to see that it is not needed

Logger = Any  # Snakemake's


class Unneeded:
    """Finds the jobs that are no longer needed, and removes jobs without failing the workflow."""

    def __init__(self, scheduler: Scheduler, files: JobFiles, logger: Logger) -> None:
        self._scheduler, self._files, self._logger = scheduler, files, logger
        self._since: dict[Path, float] = {}  # when a file was first seen
        self._removed: dict[Path, str | None] = {}  # by stem, the id of a job to delete

    def includes(self, submission: Submission, state: JobState, has_failed: bool) -> bool:
        """Whether a job is no longer needed, and need not be waited for.

        Args:
            has_failed: whether another job has failed, so that the workflow is about to end.
        """
        until = submission.until
        waits = state.kind == ACTIVE and not submission.started
        if until is not None and has_failed and waits:
            return True
        if until is None or not until.exists():
            return False
        since = self._since.setdefault(until, time.monotonic())
        return waits or state.kind != ACTIVE or time.monotonic() - since > ENDING_SECONDS

    def remove(self, job: JobExecutorInterface, submission: Submission, state: JobState) -> None:
        """Write the outputs that a job has not written, empty; it is deleted later."""
        if state.reason:
            self._logger.warning(f"{submission.name} is left out: {state.reason}")
        for output in map(Path, job.output):
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
        submission.withdrawn = True
        self._removed[submission.stem] = submission.job if state.kind in (ACTIVE, DELETED) else None

    def delete_removed(self) -> None:
        """Delete the removed jobs in the background."""
        if self._removed:
            threading.Thread(target=self._delete, args=(self._removed,)).start()
            self._removed = {}

    def _delete(self, removed: dict[Path, str | None]) -> None:
        jobs = [job for job in removed.values() if job]
        if not jobs or self._scheduler.delete(jobs):  # else they are deleted at the end of the run
            self._files.remove(removed)
