"""Snakemake's jobs on PBS: one qstat for all, records of their own, and nothing left behind.

Nothing here waits for the server in Snakemake's own threads, so that Ctrl-C is heard at once:
``Submitter`` and ``Watcher`` do that in theirs.
"""

import atexit
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

from hpconv.errors import UserError
from hpconv.pbs import cancel
from hpconv.pbs.dialects import Resources, number
from hpconv.pbs.job_files import JobFiles
from hpconv.pbs.job_state import ACTIVE, FAILED, LOST, SUCCESS, JobState, JobTracker, read_record
from hpconv.pbs.scheduler import find
from hpconv.pbs.threads import Submission, Submitter, Watcher

FOLDER = Path(".snakemake/hpconv-pbs")
ORPHAN_SECONDS = 120.0  # for jobs of an earlier run to go
SHUTDOWN_SECONDS = 0.5
ATTEMPTS = 3  # for a job whose node is lost
MEMORY_MB, MINUTES = 2000, 60  # where a rule says nothing


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Options ``--hpconv-pbs-...``, or keys of a profile."""

    queue: Optional[str] = _option(None, "Queue to submit to; else the server's default.")
    account: Optional[str] = _option(None, "Project or account to charge.")
    options: Optional[str] = _option(None, "More options of qsub, as one line.")
    prologue: Optional[str] = _option(None, "What each job runs first, such as 'module load gcc'.")
    dialect: Optional[str] = _option(None, "openpbs, torque or slurm; else it is found out.")
    status_seconds: int = _option(15, "Seconds between two calls of qstat.")
    queue_hours: float = _option(48.0, "Give a job up that has waited for so many hours.")


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)


class Executor(RemoteExecutor):
    """Submits jobs with qsub, follows them by their records and by one qstat for all."""

    def __post_init__(self) -> None:
        settings: ExecutorSettings = self.workflow.executor_settings
        self._settings = settings
        try:
            self._scheduler = find(
                settings.dialect, settings.queue, settings.account, settings.options
            )
        except UserError as error:
            raise WorkflowError(str(error)) from None
        self._folder = JobFiles(FOLDER)
        self._submitter = Submitter(self._scheduler, self._folder, self.logger)
        self._watcher = Watcher(self._scheduler, settings.status_seconds, self.logger)
        self._remove_orphans()
        self._folder.begin()
        self._cancelled = False
        atexit.register(self._leave_nothing)

    def _remove_orphans(self) -> None:
        """End what a killed run has left in the queue, so that nothing runs twice."""
        orphans = self._folder.registered()
        if not orphans:
            return
        names = " ".join(orphans.values())
        self.logger.info(f"Ending jobs that an earlier run has left in the queue: {names}")
        left = cancel.end(self._scheduler, self._folder, "*", 0, ORPHAN_SECONDS)
        if left:
            raise WorkflowError(
                f"jobs of an earlier run do not end: {' '.join(left)}. They would do the same work "
                "as new ones: wait for them, or ask your admin, and start again"
            )

    def run_job(self, job: JobExecutorInterface) -> None:
        """Hand a job to the submitter."""
        self.report_job_submission(self._put(job, attempt=1))

    def _put(self, job: JobExecutorInterface, attempt: int) -> SubmittedJobInfo:
        name, ask = _name(job), _resources(job)
        place = self._folder.place(name)
        work = self.format_job_exec(job)
        self._folder.write_script(place, work, ask.minutes, self._settings.prologue or "")
        patience = self.workflow.execution_settings.latency_wait
        judge = JobTracker(self._scheduler.dialect, ask.minutes, patience)
        submission = Submission(name, place, ask, judge, attempt)
        self._submitter.put(submission)
        return SubmittedJobInfo(job, aux={"submission": submission})

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report jobs that have ended; yield the others."""
        submissions = [info.aux["submission"] for info in active_jobs]
        self._watcher.look([each.job for each in submissions if each.job])
        for info, submission in zip(active_jobs, submissions, strict=True):
            info.external_jobid = submission.job
            verdict = self._verdict(submission)
            if verdict.kind == ACTIVE:
                yield info
            elif (again := self._reason_to_repeat(submission, verdict)) is not None:
                self._folder.forget([submission.place])
                self.logger.info(f"{submission.name} is submitted again: {again}")
                yield self._put(info.job, submission.attempt + (verdict.kind == LOST))
            elif verdict.kind == SUCCESS:
                self._folder.forget([submission.place])
                self.report_job_success(info)
            else:
                self._report_failure(info, submission, verdict.reason)

    def _reason_to_repeat(self, submission: Submission, verdict: JobState) -> str | None:
        if verdict.kind == LOST and submission.attempt < ATTEMPTS:
            return verdict.reason
        if verdict.kind == SUCCESS and submission.place.with_suffix(".again").exists():
            return "it has used its walltime, and has more to do"
        return None

    def _verdict(self, submission: Submission) -> JobState:
        if submission.refusal:
            return JobState(FAILED, submission.refusal)
        if submission.job is None:
            return JobState(ACTIVE)
        answer, job = self._watcher.answer, number(submission.job)
        row = answer.rows.get(job)
        record = read_record(submission.place.with_suffix(".record"))
        verdict = submission.judge.verdict(record, row, job in answer.unknown)
        submission.started |= bool(record) or (row is not None and row.state != "waiting")
        hours = (time.monotonic() - submission.begun) / 3600
        if verdict.kind == ACTIVE and not submission.started and hours > self._settings.queue_hours:
            return JobState(FAILED, f"it has waited in the queue for {hours:.0f} hours")
        return verdict

    def _report_failure(self, info: SubmittedJobInfo, submission: Submission, why: str) -> None:
        if submission.job and not submission.place.with_suffix(".record").exists():
            self._scheduler.delete([submission.job])  # it may wait, and would for ever
        self._folder.forget([submission.place])
        self._folder.mark_failed(submission.name)
        log = self._folder.log(submission.place)
        logs = [str(log)] if log.exists() else []
        self.report_job_error(info, msg=f"{submission.name} has failed: {why}. ", aux_logs=logs)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """End all jobs of this run; active_jobs lacks those that are just being looked at."""
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        """End what is in the queue by a process that outlives Snakemake, which does not wait.

        Also when Snakemake ends on an error of its own, as it can at Ctrl-C.
        """
        self._submitter.stop()
        self._folder.end()
        if self._cancelled or not self._folder.submitted():
            return
        self._cancelled = True
        command = [sys.executable, "-m", "hpconv.pbs.cancel", self._scheduler.dialect.name]
        command += [str(FOLDER.absolute()), self._folder.token]
        silent = subprocess.DEVNULL
        subprocess.Popen(
            command, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
        )

    def shutdown(self) -> None:
        """End the run; what is being looked at is not waited for."""
        with self.lock:
            self.wait = False
        self.wait_thread.join(SHUTDOWN_SECONDS)
        shutil.rmtree(self.tmpdir, ignore_errors=True)
        self._leave_nothing()

    @property
    def cores(self) -> str:
        """What a job may use: all that it was given, whatever the limit of the workflow."""
        return "all"

    def get_job_exec_prefix(self, job: JobExecutorInterface) -> str:
        """Jobs start where the workflow was started."""
        return f"cd {shlex.quote(self.workflow.workdir_init)}"


def _name(job: JobExecutorInterface) -> str:
    """Rules and wildcards."""
    if job.is_group():
        return "-".join(sorted({each.rule.name for each in job.jobs}))
    return "-".join([job.rule.name, *map(str, job.wildcards_dict.values())])


def _resources(job: JobExecutorInterface) -> Resources:
    asked = job.resources
    return Resources(
        job.threads,
        int(asked.get("mem_mb") or MEMORY_MB),
        int(asked.get("runtime") or MINUTES),
        int(asked.get("gpus") or 0),
    )
