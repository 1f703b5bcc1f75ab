"""The two threads that talk to the server: one submits, one asks."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from hpconv.pbs.dialects import Resources
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import JobTracker
from hpconv.pbs.scheduler import QueueStatus, Scheduler, SubmitError

Logger = Any  # Snakemake's


@dataclass
class Submission:
    """A job on its way through the queue."""

    name: str
    place: Path
    ask: Resources
    judge: JobTracker
    attempt: int = 1
    begun: float = field(default_factory=time.monotonic)
    job: str | None = None  # its id, once it has one
    refusal: str = ""  # why it got none
    started: bool = False


class Submitter:
    """Submits one job after the other."""

    def __init__(self, scheduler: Scheduler, folder: JobFiles, logger: Logger) -> None:
        self._scheduler, self._folder, self._logger = scheduler, folder, logger
        self._queue: SimpleQueue[Submission] = SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, submission: Submission) -> None:
        """Submit a job soon."""
        self._queue.put(submission)

    def stop(self) -> None:
        """Submit no more."""
        self._stopped = True

    def _work(self) -> None:
        while True:
            submission = self._queue.get()
            if not self._stopped:
                self._submit(submission)

    def _submit(self, submission: Submission) -> None:
        place, name = submission.place, submission.name
        log, answer = self._folder.log(place), self._folder.answer(place)
        script = place.with_suffix(".sh")
        try:
            job = self._scheduler.submit(script, f"hp-{name}", log, answer, submission.ask)
        except (SubmitError, OSError) as refusal:
            submission.refusal = str(refusal)
        else:
            submission.job = job
            self._logger.info(f"Submitted {name} as {job}, its output goes to {log}")


class Watcher:
    """Asks for all jobs at once, now and then."""

    def __init__(self, scheduler: Scheduler, seconds: float, logger: Logger) -> None:
        self._scheduler, self._seconds, self._logger = scheduler, seconds, logger
        self._asked = time.monotonic()
        self._asking = self._down = False
        self.answer = QueueStatus()

    def look(self, jobs: Sequence[str]) -> None:
        """Ask anew if it is time to; the answer comes while others go on."""
        due = time.monotonic() - self._asked >= self._seconds
        if jobs and due and not self._asking:
            self._asking = True
            threading.Thread(target=self._ask, args=(jobs,), daemon=True).start()

    def _ask(self, jobs: Sequence[str]) -> None:
        answer = self._scheduler.ask(jobs)
        if (answer is None) != self._down:
            self._down = answer is None
            self._logger.info(
                f"qstat {'does not answer, waiting' if self._down else 'answers again'}"
            )
        self.answer = answer or QueueStatus()
        self._asked = time.monotonic()
        self._asking = False
