"""A Snakemake executor for PBS: one qstat for all jobs, a status record per job, clean exit.

``Submitter`` and ``Watcher`` call the scheduler in their own threads, so that Snakemake's threads
react to Ctrl-C at once.
"""

import asyncio
import atexit
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from hpconv.errors import UserError
from hpconv.pbs import cancel
from hpconv.pbs.dialects import job_number
from hpconv.pbs.efficiency import Efficiency
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import JobTracker, read_record
from hpconv.pbs.lost_nodes import LostNodes
from hpconv.pbs.memory import memory_advice
from hpconv.pbs.rules import name_of, resources_of, rule_of
from hpconv.pbs.runs import Heart, is_alive
from hpconv.pbs.scheduler import find
from hpconv.pbs.settings import ExecutorSettings
from hpconv.pbs.threads import Submission, Submitter, Watcher
from hpconv.pbs.unneeded import Unneeded
from hpconv.pbs.verdicts import ACTIVE, DELETED, FAILED, LOST, REFUSED, SUCCESS, JobState

FOLDER = Path(".snakemake/hpconv-pbs")
RUN_VARIABLE = "HPCONV_RUN"  # name of the run, and of its folder in FOLDER
ORPHAN_SECONDS = 120.0  # for jobs of an earlier run to end
SHUTDOWN_SECONDS = 0.5
ATTEMPTS = 3  # of a job whose node fails


class Executor(RemoteExecutor):
    """Submits jobs with qsub; follows them by their status records and one qstat for all."""

    _ready = False  # Snakemake checks jobs in a thread that starts before __post_init__

    def __post_init__(self) -> None:
        settings: ExecutorSettings = self.executor_settings  # the workflow's may be moved
        self._settings = settings
        try:
            self._scheduler = find(
                dialect=settings.dialect,
                request=settings.request,
                queue=settings.queue,
                account=settings.account,
                options=settings.options,
            )
        except UserError as error:
            raise WorkflowError(str(error)) from None
        # jobs get it too, and may look for the files of their run
        self._files = JobFiles(FOLDER, os.environ.setdefault(RUN_VARIABLE, secrets.token_hex(4)))
        self._heart = Heart(self._files.heartbeat)
        self._reasons: dict[str, str] = {}  # by the name of a failed job
        self._lost_nodes = LostNodes(self._scheduler.dialect, self.logger)
        self._unneeded = Unneeded(self._scheduler, self._files, self.logger)
        self._submitter = Submitter(self._scheduler, self._files, self.logger)
        self._watcher = Watcher(self._scheduler, settings.status_seconds, self.logger)
        report = settings.efficiency_report
        self._efficiency = Efficiency(Path(report) if report else None)
        self._remove_orphans()
        self._files.begin()
        self._heart.beat()
        self._deleting = self._interrupted = False
        atexit.register(self._print_reasons)
        atexit.register(self._delete_jobs)
        self._ready = True

    def _remove_orphans(self) -> None:
        """Delete jobs of runs that were killed, so that no work is done twice."""
        for heartbeat in FOLDER.glob("*/run"):
            files = JobFiles(FOLDER, heartbeat.parent.name)
            if is_alive(heartbeat):
                continue
            files.end()
            if names := " ".join(files.submitted_ids().values()):
                self.logger.info(f"Deleting jobs of a killed run that are in the queue: {names}")
            if left := cancel.delete_all(self._scheduler, files, 0, ORPHAN_SECONDS):
                raise WorkflowError(
                    f"jobs of a killed run do not end: {' '.join(left)}. New jobs would do the "
                    "same work: wait until they end or ask your administrator, then start again"
                )

    def run_job(self, job: JobExecutorInterface) -> None:
        """Queue a job for submission."""
        self.report_job_submission(self._put(job, attempt=1))

    def _put(self, job: JobExecutorInterface, attempt: int) -> SubmittedJobInfo:
        name, resources = name_of(job), resources_of(job)
        stem = self._files.stem(name)
        work = self.format_job_exec(job)
        self._files.write_script(
            *(stem, work, resources.minutes),
            prologue=self._settings.prologue or "",
            directive=self._lost_nodes.directive(),
        )
        patience = self.workflow.execution_settings.latency_wait
        tracker = JobTracker(self._scheduler.dialect, resources.minutes, patience)
        until = job.resources.get("pbs_until")
        submission = Submission(
            name,
            rule_of(job),
            stem,
            resources,
            tracker,
            attempt,
            until=Path(until) if until else None,
        )
        self._submitter.put(submission)
        return SubmittedJobInfo(job, aux={"submission": submission})

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report jobs that have ended; yield the other ones."""
        if not self._ready:
            return
        self._heart.beat()
        submissions = [info.aux["submission"] for info in active_jobs]
        self._watcher.poll(self._efficiency.follow(submissions, self._watcher.status))
        for info, submission in zip(active_jobs, submissions, strict=True):
            info.external_jobid = submission.job
            state = self._state(submission)
            if self._unneeded.includes(submission, state, bool(self._reasons)):
                self._leave_out(info, submission, state)
            elif state.kind == ACTIVE:
                yield info
            elif (again := self._reason_to_repeat(submission, state)) is not None:
                self._files.remove([submission.stem])
                self.logger.info(f"{submission.name} is resubmitted: {again}")
                if state.kind == LOST:
                    self._lost_nodes.add(submission.tracker.host)
                yield self._put(info.job, submission.attempt + (state.kind != SUCCESS))
            elif state.kind == SUCCESS:
                self._files.remove([submission.stem])
                self._reasons.pop(submission.name, None)  # Snakemake's `retries` had tried it again
                self.report_job_success(info)
            elif submission.until and state.kind != REFUSED:
                self._leave_out(info, submission, state)
            else:
                self._report_failure(info, submission, state.reason)
        self._unneeded.delete_removed()

    def _leave_out(self, info: SubmittedJobInfo, submission: Submission, state: JobState) -> None:
        self._unneeded.remove(info.job, submission, state)
        self.report_job_success(info)

    def _reason_to_repeat(self, submission: Submission, state: JobState) -> str | None:
        # a job that others do without is also repeated if it has failed by itself
        repeated = (LOST, FAILED) if submission.until else (LOST,)
        if state.kind in repeated and submission.attempt < ATTEMPTS:
            return state.reason
        if state.kind == SUCCESS and submission.stem.with_suffix(".again").exists():
            return "its walltime is used up and work remains"
        return None

    def _state(self, submission: Submission) -> JobState:
        if submission.refusal:
            return JobState(REFUSED, submission.refusal)
        if submission.job is None:
            return JobState(ACTIVE)
        status, job = self._watcher.status, job_number(submission.job)
        row = status.jobs.get(job)
        record = read_record(submission.stem.with_suffix(".record"))
        state = submission.tracker.state(record, row, job in status.unknown)
        submission.started |= bool(record) or (row is not None and row.state != "waiting")
        hours = (time.monotonic() - submission.begun) / 3600
        if state.kind == ACTIVE and not submission.started and hours > self._settings.queue_hours:
            return JobState(DELETED, f"it waited for {hours:.0f} hours (hpconv-pbs-queue-hours)")
        return state

    def _report_failure(self, info: SubmittedJobInfo, submission: Submission, why: str) -> None:
        if submission.job and not submission.stem.with_suffix(".record").exists():
            self._scheduler.delete([submission.job])  # it may wait in the queue for ever
        self._files.remove([submission.stem])
        log = self._files.log(submission.stem)
        why += memory_advice(why, log, submission.resources.memory)
        self._files.mark_failed(submission.name, f"the job of {submission.name} failed: {why}")
        logs = [str(log)] if log.exists() else []
        self._reasons[submission.name] = f"{submission.name} failed: {why}; see {log}"
        self.report_job_error(info, msg=f"{submission.name} failed: {why}. ", aux_logs=logs)

    def _print_reasons(self) -> None:
        """Print why jobs have failed: Snakemake prints nothing about a group, or not last."""
        for reason in self._reasons.values():
            print(f"hpconv: {reason}", file=sys.stderr)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Delete all jobs of this run; active_jobs lacks those being checked at the moment."""
        self._interrupted = True
        self._delete_jobs()

    def _delete_jobs(self) -> None:
        """Delete this run's jobs in a process that outlives Snakemake, which does not wait.

        It also runs when Snakemake itself fails, as it can at Ctrl-C.
        """
        self._submitter.stop()
        self._files.end()
        if not self._files.submitted():
            self._files.clear()
            return
        if self._deleting:
            return
        self._deleting = True
        command = [sys.executable, "-m", "hpconv.pbs.cancel", self._scheduler.dialect.name]
        command += [str(FOLDER.absolute()), self._files.token]
        silent = subprocess.DEVNULL
        subprocess.Popen(
            command, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
        )

    async def sleep(self) -> None:
        """Sleep until the next check of jobs, but not beyond the end of the run."""
        end = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and time.monotonic() < end:
            await asyncio.sleep(SHUTDOWN_SECONDS / 5)

    def shutdown(self) -> None:
        """End the run without waiting for a status check in progress."""
        with self.lock:
            self.wait = False
        self.wait_thread.join(SHUTDOWN_SECONDS)
        shutil.rmtree(self.tmpdir, ignore_errors=True)
        if not self._interrupted:
            self._efficiency.await_ends(self._scheduler)
        if report := self._efficiency.report():
            self.logger.info(report)
        self._delete_jobs()

    @property
    def cores(self) -> str:
        """Cores that a job may use: all that it was given, whatever the workflow's limit."""
        return "all"

    def get_job_exec_prefix(self, job: JobExecutorInterface) -> str:
        """Jobs start in the workflow's working directory."""
        return f"cd {shlex.quote(self.workflow.workdir_init)}"
