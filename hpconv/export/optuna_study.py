"""Export of trials as an Optuna study in an SQLite file, for optuna-dashboard."""

import sqlite3
from contextlib import closing
from datetime import datetime
from math import exp
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event

from hpconv import __version__, trials
from hpconv.model.space_table import Hyperparameter, space_of, table
from hpconv.trials import Trial, as_utc

MARK = "hpconv"  # study attribute that marks an export; its value is our version
BOUND_SIGMAS = 10  # bounds that replace a normal distribution, which Optuna lacks
ARGUMENTS = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"),
}  # of hyperopt's distributions; those on a log scale have the same


def write(history: list[Trial], name: str, tested: dict[int, float], path: Path) -> None:
    """Write trials as a study that minimises the validation error.

    Args:
        name: of the study.
        tested: test errors of winners by tid.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    event.listen(storage.engine, "connect", _disable_sync)
    storage.engine.dispose()  # the existing connection lacks the listener
    study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
    study.set_user_attr(MARK, __version__)
    known = distributions(history)
    study.add_trials([_frozen(trial, known, tested) for trial in history])
    storage.remove_session()
    storage.engine.dispose()


def _disable_sync(connection: sqlite3.Connection, record: object) -> None:
    # the file is not published yet: no need to wait for the disk after each value
    connection.execute("PRAGMA synchronous=OFF")


def is_ours(path: Path) -> bool:
    """Whether a file contains exactly one study, and that is an export."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        try:
            found = "SELECT (SELECT count(*) FROM studies), count(*) FROM study_user_attributes"
            return file.execute(f"{found} WHERE key = ?", (MARK,)).fetchone() == (1, 1)
        except sqlite3.DatabaseError:  # not a study, or not a database
            return False


def distributions(history: list[Trial]) -> dict[str, BaseDistribution]:
    """Optuna's distribution of each hyperparameter, by label.

    Choices are categorical, by index. Bounds include all drawn values, because Optuna refuses a
    value that is outside by a rounding error.
    """
    space = space_of(history)
    entries = {} if space is None else {entry["label"]: entry for entry in table(space)}
    drawn: dict[str, list[float]] = {}
    for trial in history:
        for label, value in trials.hyperparameters(trial).items():
            drawn.setdefault(label, []).append(value)
    return {label: _distribution(entries.get(label), found) for label, found in drawn.items()}


def _distribution(entry: Hyperparameter | None, drawn: list[float]) -> BaseDistribution:
    if entry is None:  # an old history does not record its space
        return FloatDistribution(min(drawn), max(drawn))
    if entry["dist"] == "randint":
        return CategoricalDistribution(range(*entry["args"]))
    kind, log = entry["dist"].replace("log", ""), "log" in entry["dist"]
    given = dict(zip(ARGUMENTS[kind], entry["args"], strict=False)) | entry["kw"]
    if kind == "normal":
        reach = BOUND_SIGMAS * given["sigma"]
        given |= {"low": given["mu"] - reach, "high": given["mu"] + reach}
    low, high = given["low"], given["high"]
    if log:
        low, high = exp(low), exp(high)
    if step := given.get("q"):  # Optuna has none on a log scale
        low, high, log = step * round(low / step), step * round(high / step), False
    return FloatDistribution(min(low, *drawn), max(high, *drawn), log=log, step=step)


def _frozen(
    trial: Trial, known: dict[str, BaseDistribution], tested: dict[int, float]
) -> FrozenTrial:
    """A trial with its hyperparameters, times, attributes and losses by percent of the examples."""
    values, value = trials.hyperparameters(trial), trials.ensemble_error_or_none(trial)
    rungs = trial["result"].get("rungs", [])
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    frozen = create_trial(
        state=TrialState.PRUNED if "stopped_at" in trial["result"] else state,
        value=value,
        intermediate_values={round(100 * rung["share"]): rung["loss"] for rung in rungs},
        params=values,
        distributions={label: known[label] for label in values},
        user_attrs=_attributes(trial, tested),
    )
    frozen.datetime_start, frozen.datetime_complete = _times(trial)
    return frozen


def _times(trial: Trial) -> list[datetime]:
    """Start and end in local time, as Optuna requires; now if they are unknown."""
    ended = as_utc(trial["refresh_time"]) or datetime.now().astimezone()
    started = as_utc(trial.get("book_time")) or ended
    return [time.astimezone().replace(tzinfo=None) for time in (started, ended)]


def _attributes(trial: Trial, tested: dict[int, float]) -> dict[str, Any]:
    """The columns of trials.csv, the source of the hyperparameters, the test error."""
    found = trials.table_row(trial) | {
        "source": trial["misc"].get("source"),
        "test_error": tested.get(trial["tid"]),
    }
    return {key: value for key, value in found.items() if value is not None and value != ""}
