"""What Snakemake's jobs are called and ask for."""

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from hpconv.pbs.request import Resources
from hpconv.pbs.scheduler import qsub_options

MEMORY_MB, MINUTES = 2000, 60  # defaults of a rule's resources


def rule_of(job: JobExecutorInterface) -> str:
    """The name of the job's rule, or of its rules."""
    rules = {each.rule.name for each in (job.jobs if job.is_group() else [job])}
    return "-".join(sorted(rules))


def name_of(job: JobExecutorInterface) -> str:
    """A name from the job's rules and wildcards."""
    wildcards = [] if job.is_group() else job.wildcards_dict.values()
    named = "-".join([rule_of(job), *map(str, wildcards)])
    return named.replace("/", "-")  # it is part of file names


def resources_of(job: JobExecutorInterface) -> Resources:
    """What the job asks for, by the resources of its rule."""
    asked = job.resources
    return Resources(
        job.threads,
        int(asked.get("mem_mb") or MEMORY_MB),
        int(asked.get("runtime") or MINUTES),
        int(asked.get("gpus") or 0),
        qsub_options(*(asked.get(f"pbs_{name}") for name in ("queue", "account", "options"))),
    )
