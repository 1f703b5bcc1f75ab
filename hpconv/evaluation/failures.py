"""Failed winners, which are recorded so that the others are still evaluated and reported.

A step that fails writes its failure into the file that it should have written, and into
``last_failure.json`` beside ``trial.json``. The workflow extracts the features of a winner again if
they are older than that file.
"""

import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from hpconv.errors import CandidateError, UserError
from hpconv.files import write_json
from hpconv.trials import Failure, error_line, read_one

log = logging.getLogger(__name__)


def run_step(trial_path: Path, step: Callable[[], None]) -> Failure | None:
    """Run a step of a winner's evaluation.

    Args:
        trial_path: the winner's ``trial.json``.

    Returns:
        why the step failed, None if it succeeded.

    Raises:
        MemoryError: another attempt may have more memory.
    """
    try:
        step()
    except MemoryError:
        raise
    except Exception as error:
        failure = _describe(error)
        tid = read_one(trial_path)["tid"]
        log.error("trial %d failed, %s: %s", tid, failure["kind"], failure["reason"])
        return failure
    return None


def mark_for_retry(trial_path: Path, failure: Failure) -> None:
    """Write ``last_failure.json``; call this after the output of the step has been written."""
    path = trial_path.with_name("last_failure.json")
    write_json(path, failure)
    later = path.stat().st_mtime + 1  # than the output, whatever the clock's resolution
    os.utime(path, (later, later))


def _describe(error: Exception) -> Failure:
    if isinstance(error, CandidateError):
        return {"kind": error.kind, "reason": error.reason}
    if isinstance(error, UserError):
        return {"kind": "error", "reason": str(error)}
    text = "".join(traceback.format_exception(error))
    log.error("%s", text)
    return {"kind": "error", "reason": error_line(text)}
