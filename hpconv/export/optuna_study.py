"""Trials as an Optuna study, in an SQLite file that optuna-dashboard opens."""

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
from hpconv.model.space_table import space_of, table
from hpconv.trials import Trial, as_utc

MARK = "hpconv"  # the attribute by which a study is known to be an export, with our version
WIDE = 10  # standard deviations of a normal, as bounds: Optuna has no normal
ARGUMENTS = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"),
}  # of distributions as hyperopt calls them; those on a log scale have the same


def write(history: list[Trial], name: str, tested: dict[int, float], path: Path) -> None:
    """Write trials as a study that minimises the validation error.

    Args:
        name: of the study.
        tested: the test error of those trials that have one, by tid.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    event.listen(storage.engine, "connect", _without_waiting)
    storage.engine.dispose()  # it is connected already
    study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
    study.set_user_attr(MARK, __version__)
    known = distributions(history)
    study.add_trials([_frozen(trial, known, tested) for trial in history])
    storage.remove_session()
    storage.engine.dispose()


def _without_waiting(connection: sqlite3.Connection, record: object) -> None:
    # for the disk after each value, in a file that nobody has seen yet
    connection.execute("PRAGMA synchronous=OFF")


def is_ours(path: Path) -> bool:
    """Whether a file holds one study, and that is an export."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        try:
            found = "SELECT (SELECT count(*) FROM studies), count(*) FROM study_user_attributes"
            return file.execute(f"{found} WHERE key = ?", (MARK,)).fetchone() == (1, 1)
        except sqlite3.DatabaseError:  # no study, or no database
            return False


def distributions(history: list[Trial]) -> dict[str, BaseDistribution]:
    """What each hyperparameter is drawn from, by label, as Optuna says it.

    Choices are categorical, by index. Bounds hold all that was drawn: Optuna refuses a value
    that lies outside by a rounding error.
    """
    space = space_of(history)
    entries = {} if space is None else {entry["label"]: entry for entry in table(space)}
    drawn: dict[str, list[float]] = {}
    for trial in history:
        for label, value in trials.hyperparameters(trial).items():
            drawn.setdefault(label, []).append(value)
    return {label: _distribution(entries.get(label), found) for label, found in drawn.items()}


def _distribution(entry: dict[str, Any] | None, drawn: list[float]) -> BaseDistribution:
    if entry is None:  # an old history does not say from what
        return FloatDistribution(min(drawn), max(drawn))
    if entry["dist"] == "randint":
        return CategoricalDistribution(range(*entry["args"]))
    kind, log = entry["dist"].replace("log", ""), "log" in entry["dist"]
    given = dict(zip(ARGUMENTS[kind], entry["args"], strict=False)) | entry["kw"]
    if kind == "normal":
        reach = WIDE * given["sigma"]
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
    """A trial with its values, times, and what else is told of it."""
    values, value = trials.hyperparameters(trial), trials.ensemble_error_or_none(trial)
    frozen = create_trial(
        state=TrialState.FAIL if value is None else TrialState.COMPLETE,
        value=value,
        params=values,
        distributions={label: known[label] for label in values},
        user_attrs=_attributes(trial, tested),
    )
    frozen.datetime_start, frozen.datetime_complete = _times(trial)
    return frozen


def _times(trial: Trial) -> list[datetime]:
    """Beginning and end; Optuna's are local times, and never absent."""
    ended = as_utc(trial["refresh_time"]) or datetime.now().astimezone()
    begun = as_utc(trial.get("book_time")) or ended
    return [time.astimezone().replace(tzinfo=None) for time in (begun, ended)]


def _attributes(trial: Trial, tested: dict[int, float]) -> dict[str, Any]:
    """What else is known: columns of trials.csv, how values were drawn, the test error."""
    found = trials.table_row(trial) | {
        "source": trial["misc"].get("source"),
        "test_error": tested.get(trial["tid"]),
    }
    return {key: value for key, value in found.items() if value is not None and value != ""}
