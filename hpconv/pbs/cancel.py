"""``python -m hpconv.pbs.cancel DIALECT FOLDER TOKEN``: end a run's jobs, however long it takes.

Snakemake gives a cancellation two seconds; this process of its own has ten minutes.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hpconv.pbs.dialects import named, number
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.scheduler import QueueStatus, Scheduler

SECONDS, PAUSE = 600.0, 2.0
SUBMISSION_SECONDS = 30.0  # for a qsub that was under way, and writes its id yet


def end(
    scheduler: Scheduler, folder: JobFiles, token: str, settle: float, seconds: float
) -> list[str]:
    """Delete the jobs of a run (or, with ``*``, of all) until they are gone.

    Args:
        settle: seconds in which more of them may turn up.
        seconds: when to give up.

    Returns:
        the jobs that are still there then.
    """
    begun = time.monotonic()
    while (left := folder.registered(token)) or time.monotonic() - begun < settle:
        if time.monotonic() - begun > seconds:
            break
        gone = _delete(scheduler, list(left.values())) if left else set()
        folder.forget(place for place, job in left.items() if number(job) in gone)
        time.sleep(PAUSE)
    return list(left.values())


def _delete(scheduler: Scheduler, jobs: Sequence[str]) -> set[str]:
    """Ask for the end of jobs; returns those that are gone by now."""
    scheduler.delete(jobs)
    answer = scheduler.ask(jobs) or QueueStatus()
    return {*answer.unknown, *(job for job, row in answer.rows.items() if row.state == "over")}


if __name__ == "__main__":
    dialect, path, run = sys.argv[1:]
    end(Scheduler(named(dialect)), JobFiles(Path(path)), run, SUBMISSION_SECONDS, SECONDS)
