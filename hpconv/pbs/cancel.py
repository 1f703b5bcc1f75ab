"""``python -m hpconv.pbs.cancel DIALECT FOLDER TOKEN``: delete a run's jobs until none is left.

Snakemake gives a cancellation two seconds; this separate process has ten minutes.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hpconv.pbs.dialects import job_number, named
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.scheduler import QueueStatus, Scheduler
from hpconv.processes import poll_until

SECONDS, PAUSE = 600.0, 2.0
SUBMISSION_SECONDS = 30.0  # for a running qsub to write its job id


def delete_all(scheduler: Scheduler, files: JobFiles, settle: float, seconds: float) -> list[str]:
    """Delete the jobs of a run until they are gone, and then its files.

    Args:
        settle: seconds during which new job ids may still appear.
        seconds: time limit.

    Returns:
        the ids of jobs that still exist at the time limit.
    """
    begun = time.monotonic()

    def all_gone() -> bool:
        left = files.submitted_ids()
        gone = _delete(scheduler, list(left.values())) if left else set()
        files.remove(stem for stem, job in left.items() if job_number(job) in gone)
        some_left = any(job_number(job) not in gone for job in left.values())
        return not some_left and time.monotonic() - begun >= settle

    if poll_until(all_gone, seconds, PAUSE):
        files.clear()
    return list(files.submitted_ids().values())


def _delete(scheduler: Scheduler, jobs: Sequence[str]) -> set[str]:
    """Delete jobs; returns the numbers of those that have ended."""
    scheduler.delete(jobs)
    status = scheduler.query(jobs) or QueueStatus()
    return {*status.unknown, *(job for job, row in status.jobs.items() if row.state == "over")}


if __name__ == "__main__":
    dialect, folder, token = sys.argv[1:]
    files = JobFiles(Path(folder), token)
    delete_all(Scheduler(named(dialect)), files, SUBMISSION_SECONDS, SECONDS)
