"""How a trial has ended: its errors, its failure; the best of several trials."""

import math

from hpconv.errors import CandidateError
from hpconv.states import STATUS_FAIL
from hpconv.trials.document import Failure, Result, Trial, hyperparameters

CLASSIFIER_LABELS = ("_l2_reg", "_varthresh", "_remove_std0", "_divrowl2")  # suffixes


def has_succeeded(trial: Trial) -> bool:
    """Whether a trial has a loss on all examples: it has not failed and was not stopped."""
    return "loss" in trial["result"] and "stopped_at" not in trial["result"]


def validation_error(trial: Trial) -> float:
    """Validation error of a trial that succeeded, without the ensemble that it extends."""
    return trial["result"].get("own_error", trial["result"]["loss"])


def ensemble_error(trial: Trial) -> float:
    """Validation error of a trial that succeeded, with the ensemble that it extends."""
    return trial["result"].get("ensemble_error", trial["result"]["loss"])


def ensemble_error_or_none(trial: Trial) -> float | None:
    """``ensemble_error``; None unless a trial succeeded and its error is finite."""
    error = ensemble_error(trial) if has_succeeded(trial) else math.nan
    return error if math.isfinite(error) else None


def succeeded(trials: list[Trial]) -> list[Trial]:
    """Trials that succeeded, by ascending ``validation_error``, then by tid."""
    found = filter(has_succeeded, trials)
    return sorted(found, key=lambda trial: (validation_error(trial), trial["tid"]))


def best_per_pipeline(trials: list[Trial]) -> list[Trial]:
    """The best trial of each pipeline, lowest validation error first; the older of equals.

    Trials have the same pipeline if only hyperparameters of the classifier differ.
    """
    by_pipeline: dict[str, Trial] = {}
    for trial in succeeded(trials):
        items = hyperparameters(trial).items()
        pipeline = sorted(item for item in items if not item[0].endswith(CLASSIFIER_LABELS))
        by_pipeline.setdefault(repr(pipeline), trial)
    return list(by_pipeline.values())


def failure(trial: Trial) -> Failure | None:
    """Kind and reason of a failed trial; None for any other."""
    if "error" in trial:
        return {"kind": "error", "reason": error_line(trial["error"])}
    if trial["result"]["status"] == STATUS_FAIL:
        return trial["result"].get("failure") or {"kind": "fail", "reason": "not given"}
    return None


def failed_result(refusal: CandidateError, seconds: dict[str, float]) -> Result:
    """The result of a trial whose candidate was refused; seconds by step."""
    cause: Failure = {"kind": refusal.kind, "reason": refusal.reason}
    return {"status": STATUS_FAIL, "failure": cause, "seconds": seconds}


def error_line(error: str | list[str]) -> str:
    """The last line of a traceback, or hyperopt's pair of type and message as one line."""
    text = error if isinstance(error, str) else ": ".join(error)
    return text.strip().splitlines()[-1]
