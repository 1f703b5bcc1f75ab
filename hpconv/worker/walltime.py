"""The remaining walltime of a job: from an option, its environment, or the scheduler."""

import logging
import os
import re
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import psutil

from hpconv.errors import UserError

QSTAT_SECONDS = 20
MARGIN = 15.0  # for delivering a result and exiting
AGAIN_VARIABLE = "HPCONV_AGAIN"  # a file that tells the executor to submit this job again
EXIT_AGAIN = 75  # "temporary failure", see sysexits.h
DURATION = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+):(\d+)|(\d+)")

log = logging.getLogger(__name__)


class WalltimeUsed(Exception):
    """This job has no time to go on."""


def may_submit_again() -> bool:
    """Whether there is an executor that submits this job again if it asks for it."""
    return AGAIN_VARIABLE in os.environ


def submit_again(reason: WalltimeUsed) -> None:
    """End this process and have its job submitted again, if there is an executor that does it."""
    log.info("exiting: %s", reason)
    if marker := os.environ.get(AGAIN_VARIABLE):
        Path(marker).touch()
        sys.exit(EXIT_AGAIN)


def parse_duration(text: str, source: str) -> float:
    """Read ``SECONDS``, ``MM:SS``, ``HH:MM:SS`` or ``DD:HH:MM:SS``.

    Args:
        source: of the text, for the message.

    Raises:
        UserError: if it is none of these.
    """
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{source} is '{text}': write HH:MM:SS or seconds, such as 04:00:00")
    *parts, whole = match.groups()
    if whole:
        return float(whole)
    days, hours, minutes, rest = (int(part or 0) for part in parts)
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


class Walltime:
    """The time limit of this job, looked up once.

    Args:
        given: the walltime of the job in seconds. By default ``PBS_WALLTIME`` (set by Torque), or
            else qstat's answer for ``PBS_JOBID``, or else no limit.

    Attributes:
        total: seconds from the start of this process to the end of its job.
    """

    def __init__(self, given: float | None) -> None:
        now = time.monotonic()
        begun = now - (time.time() - psutil.Process().create_time())
        if given is not None:
            self._end = begun + given
        elif text := os.environ.get("PBS_WALLTIME"):
            self._end = begun + parse_duration(text, "PBS_WALLTIME")
        elif job := os.environ.get("PBS_JOBID"):
            self._end = now + _left_by_qstat(job, now - begun)
        else:
            self._end = inf
        self.total = self._end - begun

    def seconds_left(self) -> float:
        """Seconds until the scheduler ends this job; infinite without a limit."""
        return self._end - time.monotonic()

    def check(self, margin: float = MARGIN) -> None:
        """Raise WalltimeUsed if fewer seconds than this margin are left."""
        left = self.seconds_left()
        if left < margin:
            raise WalltimeUsed(f"{left:.0f} s of walltime are left")


def _left_by_qstat(job: str, age: float) -> float:
    try:
        answer = subprocess.run(
            ["qstat", "-f", job], capture_output=True, text=True, check=True, timeout=QSTAT_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("qstat does not report the walltime of %s (%s): set --walltime", job, error)
        return inf
    allowed = _field(answer, "Resource_List.walltime")
    if allowed is None:
        return inf
    return allowed - max(_field(answer, "resources_used.walltime") or 0.0, age)


def _field(answer: str, name: str) -> float | None:
    """A duration in the text output of ``qstat -f``, which is the same in all dialects."""
    match = re.search(rf"^\s*{re.escape(name)} = ([\d:]+)$", answer, re.MULTILINE)
    return parse_duration(match[1], name) if match else None
