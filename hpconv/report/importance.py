"""Permutation importance of hyperparameters in a conditional space.

A random forest predicts the rank of a trial's error from its hyperparameters. Ranks are used
because errors are skewed: a few very bad trials would outweigh all others. Inactive values are
set below the range, so that trees can separate them; hyperparameters on a log scale are replaced
by their logarithms.

A hyperparameter is important if predictions for held-out trials get worse when its value is
replaced by that of another trial in which it is active (Breiman, *Random Forests*, 2001,
section 10; "model reliance" of Fisher, Rudin and Dominici, JMLR 2019). Together with a choice,
all hyperparameters that it activates are replaced, so that every modified trial is valid. The
increase of the error from replacing only those, by values of a trial with the same option, is
subtracted: thus a choice gets no importance from the hyperparameters below it, and vice versa.
Half the increase of the squared error, divided by the variance, is the share of the variance
that the hyperparameter explains (Jansen, *Computer Physics Communications* 117, 1999). With few
trials it is underestimated, because the forest predicts less.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from hpconv.files import replacing
from hpconv.report.hyperparameter_rows import HyperparameterRow
from hpconv.trials import Trial, ensemble_error, ensemble_error_or_none, hyperparameters

MIN_TRIALS, MAX_TRIALS = 20, 1000  # that succeeded; of more, an even sample is used
MIN_ACTIVE = 10  # trials in which a hyperparameter must be active
FOLDS, TREES, DONORS = 5, 64, 5
TOGETHER = 20  # swaps whose modified trials are predicted together, 1 MB each


class ImportanceRow(TypedDict):
    """The importance of a hyperparameter."""

    label: str
    importance: float  # share of the variance
    deviation: float  # standard error over folds
    n: int  # number of trials in which it is active


class Importance(TypedDict):
    """The importance of all hyperparameters that are active in enough trials."""

    method: str  # a description in sentences
    explained: float  # share of the variance of held-out ranks that the forest explains
    rows: list[ImportanceRow]  # the most important first


def importance(history: list[Trial], labels: list[HyperparameterRow]) -> Importance | None:
    """The importance of each hyperparameter for the validation error.

    Returns:
        None when too few trials succeeded, or all have the same error.
    """
    worked = _sample([trial for trial in history if ensemble_error_or_none(trial) is not None])
    target = rankdata([ensemble_error(trial) for trial in worked])
    values = _values(worked, labels)
    counts = np.isfinite(values).sum(axis=0)
    enough = [place for place, count in enumerate(counts) if count >= MIN_ACTIVE]
    if len(worked) < MIN_TRIALS or not np.ptp(target) or not enough:
        return None
    chosen = [labels[place] for place in enough]
    by_fold, explained = _crossvalidated(values[:, enough], target, _below(chosen))
    mean, deviation = by_fold.mean(axis=0), by_fold.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    rows: list[ImportanceRow] = [
        {
            "label": row["label"],
            "importance": round(max(0.0, float(mean[place])), 5),
            "deviation": round(float(deviation[place]), 5),
            "n": int(counts[enough[place]]),
        }
        for place, row in enumerate(chosen)
    ]
    rows.sort(key=lambda row: -row["importance"])
    left_out = len(labels) - len(rows)
    return {
        "method": _method(len(worked), explained, left_out),
        "explained": explained,
        "rows": rows,
    }


def write_csv(rows: list[ImportanceRow], path: Path) -> None:
    """Write the rows as CSV."""
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ImportanceRow.__annotations__))
        writer.writeheader()
        writer.writerows(rows)


def _method(n_trials: int, explained: float, left_out: int) -> str:
    text = (
        "A random forest predicts the rank of the validation error from the hyperparameters of "
        f"{n_trials:,} trials; it explains {max(0.0, explained):.0%} of its variance in held-out "
        "trials. The importance of a hyperparameter is the share of the variance that is lost "
        "when its value is taken from another trial in which it is active. The importance of a "
        "choice excludes that of the hyperparameters that it activates."
    )
    if left_out:
        text += f" {left_out} that are active in fewer than {MIN_ACTIVE} trials are left out."
    return text


def _sample(worked: list[Trial]) -> list[Trial]:
    places = np.linspace(0, len(worked) - 1, min(len(worked), MAX_TRIALS)).astype(int)
    return [worked[place] for place in places]


def _values(worked: list[Trial], labels: list[HyperparameterRow]) -> np.ndarray:
    """Hyperparameters ``(trials, labels)``, logarithms on log scales, NaN where inactive."""
    values = np.full((len(worked), len(labels)), np.nan)
    for line, trial in zip(values, worked, strict=True):
        active = hyperparameters(trial)
        line[:] = [active.get(row["label"], np.nan) for row in labels]
    log = [place for place, row in enumerate(labels) if row["log"]]
    values[:, log] = np.log(np.maximum(values[:, log], np.finfo(float).tiny))
    return values


def _below(labels: list[HyperparameterRow]) -> list[list[int]]:
    """For each hyperparameter, the indices of those that it activates."""
    return [
        [place for place, row in enumerate(labels) if above["label"] in row["condition"]]
        for above in labels
    ]


def _crossvalidated(
    values: np.ndarray, target: np.ndarray, below: list[list[int]]
) -> tuple[np.ndarray, float]:
    """The importance ``(folds, labels)``, and the explained share of the variance."""
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    inputs = np.where(np.isnan(values), low - (high - low) - 1, values).astype("float32")
    lost, left = [], 0.0
    for seed, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=0).split(inputs)):
        forest = RandomForestRegressor(
            TREES, max_features=1 / 3, min_samples_leaf=2, random_state=seed
        ).fit(inputs[train], target[train])
        left += np.sum((forest.predict(inputs[test]) - target[test]) ** 2)
        every = _swaps(values, test, below, np.random.default_rng(seed))
        swaps = [swap for swap in every if len(swap.rows)]  # no held-out trial may have the value
        increase = np.zeros(len(below))
        for start in range(0, len(swaps), TOGETHER):
            some = swaps[start : start + TOGETHER]
            changed = np.concatenate([swap.applied_to(inputs) for swap in some])
            rows = np.concatenate([swap.rows for swap in some])
            squared = (forest.predict(changed) - target[rows]) ** 2
            for swap, part in zip(some, np.split(squared, _ends(some)), strict=True):
                increase[swap.label] += swap.sign * part.sum()
        lost.append(increase / (2 * len(test) * DONORS * target.var()))
    return np.array(lost), round(1 - float(left / len(target) / target.var()), 4)


class Swap(NamedTuple):
    """A replacement of values in held-out trials.

    Attributes:
        label: index of the hyperparameter whose importance it changes.
        sign: 1 if the increase of the error is added to the importance, -1 if subtracted.
        rows: held-out trials, repeated.
        donors: the trial that replaces each of rows in columns.
        columns: indices of hyperparameters.
    """

    label: int
    sign: int
    rows: np.ndarray
    donors: np.ndarray
    columns: list[int]

    def applied_to(self, inputs: np.ndarray) -> np.ndarray:
        """The modified rows ``(rows, labels)``."""
        changed = inputs[self.rows]
        changed[:, self.columns] = inputs[self.donors][:, self.columns]
        return changed


def _swaps(
    values: np.ndarray, test: np.ndarray, below: list[list[int]], rng: np.random.Generator
) -> Iterator[Swap]:
    """Two for each hyperparameter: with those that it activates, and of only those."""
    for label, under in enumerate(below):
        active = np.isfinite(values[:, label])
        rows = np.repeat(test[active[test]], DONORS)
        others = rng.choice(np.flatnonzero(active), len(rows))
        yield Swap(label, 1, rows, others, [label, *under])
        yield Swap(label, -1, rows, _alike(values[:, label], rows, rng) if under else rows, under)


def _ends(swaps: list[Swap]) -> np.ndarray:
    return np.cumsum([len(swap.rows) for swap in swaps])[:-1]


def _alike(options: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each of rows, a random trial with the same option."""
    found = np.empty_like(rows)
    for option in np.unique(options[rows]):
        same = options[rows] == option
        found[same] = rng.choice(np.flatnonzero(options == option), same.sum())
    return found
