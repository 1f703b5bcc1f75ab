"""Settings of the executor."""

from dataclasses import dataclass, field
from typing import Any, Optional

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Options ``--hpconv-pbs-...``, or keys of a profile."""

    queue: Optional[str] = _option(None, "Queue; the default is the server's.")
    account: Optional[str] = _option(None, "Project or account to charge.")
    options: Optional[str] = _option(None, "Additional qsub options, in one string.")
    prologue: Optional[str] = _option(
        None, "Command that each job runs first, such as 'module load gcc'."
    )
    request: Optional[str] = _option(
        None, "File with the qsub options of a job; the default is the dialect's."
    )
    dialect: Optional[str] = _option(None, "openpbs, torque or slurm; detected by default.")
    status_seconds: int = _option(15, "Seconds between calls of qstat.")
    queue_hours: float = _option(48.0, "Hours after which a job that still waits fails.")
    efficiency_report: Optional[str] = _option(
        None, "CSV file for what the jobs of each rule requested and used."
    )


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)
