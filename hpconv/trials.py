"""The history of a search as files: everything after it reads these, never the database."""

import csv
import json
from pathlib import Path
from typing import Any

from hpconv.errors import UserError
from hpconv.files import replacing, write_json

Trial = dict[str, Any]
COLUMNS = ("tid", "status", "loss", "kind", "reason", "seconds", "features", "worker", "finished")


def read(path: Path) -> list[Trial]:
    """Trials of an export, by tid."""
    with Path(path).open() as file:
        return sorted(map(json.loads, file), key=lambda trial: trial["tid"])


def complete(path: Path, max_evals: int) -> bool:
    """Whether an export exists and holds a whole search: then there is no server to wait for."""
    return path.exists() and len(read(path)) >= max_evals


def hyperparameters(trial: Trial) -> dict[str, Any]:
    """The active hyperparameters of a trial: label to value, choices by index."""
    return {label: values[0] for label, values in trial["misc"]["vals"].items() if values}


def succeeded(trials: list[Trial]) -> list[Trial]:
    """Trials with a loss, the best first; of equals, the older."""
    with_loss = [trial for trial in trials if "loss" in trial["result"]]
    return sorted(with_loss, key=lambda trial: (trial["result"]["loss"], trial["tid"]))


def failure(trial: Trial) -> dict[str, str] | None:
    """Kind and reason of a trial that failed, else None."""
    if "error" in trial:
        return {"kind": "error", "reason": error_line(trial["error"])}
    return trial["result"].get("failure")


def error_line(error: str) -> str:
    """What a traceback says in the end."""
    return error.strip().splitlines()[-1]


def summary(trial: Trial) -> dict[str, Any]:
    """A trial as one row of a table."""
    result, failed = trial["result"], failure(trial) or {}
    return {
        "tid": trial["tid"],
        "status": "fail" if failed else result["status"],
        "loss": result.get("loss"),
        "kind": failed.get("kind"),
        "reason": failed.get("reason"),
        "seconds": round(sum(result.get("seconds", {}).values()), 3),
        "features": "x".join(map(str, result.get("feature_shape", []))),
        "worker": trial["owner"],
        "finished": trial["refresh_time"],
    }


def write_csv(trials: list[Trial], path: Path) -> None:
    """All trials, one a line: summary columns, then a column for each hyperparameter."""
    _write_table(path, trials, dialect="excel")


def write_best(trials: list[Trial], count: int, table: Path, folder: Path) -> None:
    """The best trials as a table, and each as ``folder/RANK/trial.json``.

    Raises:
        UserError: when fewer than count trials succeeded.
    """
    ranked = succeeded(trials)
    if len(ranked) < count:
        raise UserError(
            f"config key 'evaluation.winners' is {count}, but only {len(ranked)} of "
            f"{len(trials)} trials succeeded: lower it, or raise 'search.max_evals'"
        )
    _write_table(table, ranked, dialect="excel-tab")
    for rank, trial in enumerate(ranked[:count], start=1):
        write_json(folder / str(rank) / "trial.json", trial)


def _write_table(path: Path, trials: list[Trial], dialect: str) -> None:
    labels = sorted({label for trial in trials for label in hyperparameters(trial)})
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *labels], dialect=dialect)
        writer.writeheader()
        writer.writerows(summary(trial) | hyperparameters(trial) for trial in trials)
