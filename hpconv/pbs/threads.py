"""The two threads that call the scheduler: one submits jobs, one queries them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import JobTracker
from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import NotNow, QueueStatus, Scheduler, SubmitError

FIRST_PAUSES, PAUSE = (2.0, 5.0, 15.0), 30.0  # seconds before qsub is tried again
REMIND_SECONDS = 60.0  # between messages that a job waits for the same reason

Logger = Any  # Snakemake's


@dataclass
class Submission:
    """A job from its submission to its end."""

    name: str
    rule: str  # or rules of a group, joined
    stem: Path
    resources: Resources
    tracker: JobTracker
    attempt: int = 1
    begun: float = field(default_factory=time.monotonic)
    job: str | None = None  # id, once submitted
    refusal: str = ""  # reason why the scheduler refused it
    started: bool = False
    until: Path | None = None  # file that makes it unneeded
    withdrawn: bool = False  # not to be submitted any more


class Submitter:
    """Submits one job after another."""

    def __init__(self, scheduler: Scheduler, folder: JobFiles, logger: Logger) -> None:
        self._scheduler, self._files, self._logger = scheduler, folder, logger
        self._queue: SimpleQueue[Submission] = SimpleQueue()
        self._stopping = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, submission: Submission) -> None:
        """Queue a job for submission."""
        self._queue.put(submission)

    def stop(self) -> None:
        """Stop submitting."""
        self._stopping.set()

    def _work(self) -> None:
        while True:
            submission = self._queue.get()
            if not (self._stopping.is_set() or submission.withdrawn):
                self._submit(submission)

    def _submit(self, submission: Submission) -> None:
        stem, name = submission.stem, submission.name
        log, id_file = self._files.log(stem), self._files.id_file(stem)
        submit = partial(
            self._scheduler.submit,
            *(stem.with_suffix(".sh"), f"hp-{name}"),
            output=log,
            id_file=id_file,
            resources=submission.resources,
        )
        try:
            submission.job = self._retry(submit, submission)
        except (SubmitError, OSError) as refusal:
            submission.refusal = str(refusal)
        if submission.job:
            self._logger.info(f"Submitted {name} as {submission.job}, output in {log}")

    def _retry(self, submit: Callable[[], str], submission: Submission) -> str | None:
        """Submit a job as soon as the scheduler takes it; None if it is not needed before."""
        name, reason, told = submission.name, "", 0.0
        for pause in chain(FIRST_PAUSES, repeat(PAUSE)):
            try:
                return submit()
            except NotNow as delay:
                if str(delay) != reason or time.monotonic() - told >= REMIND_SECONDS:
                    reason, told = str(delay), time.monotonic()
                    self._logger.info(f"{name} waits for qsub, which is tried again: {reason}")
            if self._stopping.wait(pause) or submission.withdrawn:
                break
        return None


class Watcher:
    """Queries all jobs at once, at intervals."""

    def __init__(self, scheduler: Scheduler, seconds: float, logger: Logger) -> None:
        self._scheduler, self._seconds, self._logger = scheduler, seconds, logger
        self._asked = time.monotonic()
        self._asking = self._down = False
        self.status = QueueStatus()

    def poll(self, jobs: Sequence[str]) -> None:
        """Start a query in the background when the interval has passed."""
        due = time.monotonic() - self._asked >= self._seconds
        if jobs and due and not self._asking:
            self._asking = True
            threading.Thread(target=self._ask, args=(jobs,), daemon=True).start()

    def _ask(self, jobs: Sequence[str]) -> None:
        status = self._scheduler.query(jobs)
        if (status is None) != self._down:
            self._down = status is None
            self._logger.info(
                f"qstat {'does not answer, retrying' if self._down else 'answers again'}"
            )
        self.status = status or QueueStatus()
        self._asked = time.monotonic()
        self._asking = False
