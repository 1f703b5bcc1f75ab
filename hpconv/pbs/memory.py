"""Recognises a job that ran out of memory by what the scheduler and its node have written."""

import re
from pathlib import Path

TAIL_BYTES = 20_000
# of PBS, cgroups, bash, Snakemake and Python; 137 is 128 + SIGKILL
EXHAUSTED = re.compile(
    r"mem\w* (limit )?exceeded|exceeded (its |limit )?(mem|vmem)|mem \d+kb exceeded limit"
    r"|out of memory|oom[-_ ]?kill|\bMemoryError\b|SIGKILL|\bKilled\b|status 137\b",
    re.IGNORECASE,
)


def memory_advice(reason: str, log: Path, requested: int) -> str:
    """Advice if a failed job ran out of memory; empty if nothing suggests it.

    Args:
        reason: why it failed, according to its record and the scheduler.
        log: its output.
        requested: its memory in MiB.
    """
    found = EXHAUSTED.search(f"{reason}\n{_tail(log)}")
    if found is None:
        return ""
    return (
        f", probably out of memory ('{found[0]}'): it requested {requested} MiB, set a larger "
        "mem_mb for its rule in set-resources"
    )


def _tail(log: Path) -> str:
    return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace") if log.exists() else ""
