"""How much each hyperparameter matters, in a space where most are inactive in most trials.

A random forest predicts the rank of a trial's error from its hyperparameters: ranks, because
errors are skewed, and a few hopeless trials would outweigh all others. Inactive values lie below
the range, so that trees can tell them apart, and such as are drawn on a log scale are logarithms.

A hyperparameter is important when predictions of trials that the forest has not seen get worse
as its value is taken from another trial in which it is active (Breiman, *Random Forests*, 2001,
section 10; as "model reliance" by Fisher, Rudin and Dominici, JMLR 2019). With a choice goes all
that is active under it, so that no trial is impossible; what that costs by itself, when it comes
from a trial of the same option, is subtracted. So neither a choice is credited with what is under
it, nor the other way round. Half the increase of the squared error is the share of the variance
that is lost (Jansen, *Computer Physics Communications* 117, 1999), or less of it where trials are
few: a forest that has seen little predicts little.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold

from hpconv.files import replacing
from hpconv.trials import Trial, ensemble_error, ensemble_error_or_none, hyperparameters

MIN_TRIALS, MAX_TRIALS = 20, 1000  # that succeeded; of more, an even sample is looked at
MIN_ACTIVE = 10  # trials in which a hyperparameter must be active to be judged
FOLDS, TREES, DONORS = 5, 64, 5
COLUMNS = ("label", "importance", "deviation", "n")

Rows = list[dict[str, Any]]


def importance(history: list[Trial], labels: Rows) -> dict[str, Any] | None:
    """The importance of each hyperparameter for the validation error.

    Args:
        labels: rows of ``hpconv.report.hyperparameter_rows``.

    Returns:
        ``method``, some sentences; ``explained``, the share of the variance of ranks that is
        predicted of unseen trials; and ``rows``, the most important first: ``label``,
        ``importance`` (share of the variance), ``deviation`` (its standard error over folds) and
        ``n``, the trials in which it is active. None when too few trials succeeded, or
        all with the same error.
    """
    worked = _sample([trial for trial in history if ensemble_error_or_none(trial) is not None])
    target = rankdata([ensemble_error(trial) for trial in worked])
    values = _values(worked, labels)
    counts = np.isfinite(values).sum(axis=0)
    judged = [place for place, count in enumerate(counts) if count >= MIN_ACTIVE]
    if len(worked) < MIN_TRIALS or not np.ptp(target) or not judged:
        return None
    chosen = [labels[place] for place in judged]
    by_fold, explained = _crossvalidated(values[:, judged], target, _below(chosen))
    mean, deviation = by_fold.mean(axis=0), by_fold.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    rows = [
        {
            "label": row["label"],
            "importance": round(max(0.0, float(mean[place])), 5),
            "deviation": round(float(deviation[place]), 5),
            "n": int(counts[judged[place]]),
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


def write_csv(rows: Rows, path: Path) -> None:
    """Rows of ``importance`` as a table."""
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _method(n_trials: int, explained: float, left_out: int) -> str:
    text = (
        f"A random forest predicts the rank of the validation error of {n_trials} trials, and "
        f"explains {max(0.0, explained):.0%} of its variance in trials that it has not seen. The "
        "importance of a hyperparameter is the share that is lost when its value comes from "
        "another trial in which it is active; of a choice, beyond what the values under it tell."
    )
    if left_out:
        text += f" {left_out} that are active in fewer than {MIN_ACTIVE} of them are left out."
    return text


def _sample(worked: list[Trial]) -> list[Trial]:
    places = np.linspace(0, len(worked) - 1, min(len(worked), MAX_TRIALS)).astype(int)
    return [worked[place] for place in places]


def _values(worked: list[Trial], labels: Rows) -> np.ndarray:
    """Hyperparameters ``(trials, labels)``, log where they are drawn so, NaN where inactive."""
    values = np.full((len(worked), len(labels)), np.nan)
    for line, trial in zip(values, worked, strict=True):
        active = hyperparameters(trial)
        line[:] = [active.get(row["label"], np.nan) for row in labels]
    log = [place for place, row in enumerate(labels) if row["log"]]
    values[:, log] = np.log(np.maximum(values[:, log], np.finfo(float).tiny))
    return values


def _below(labels: Rows) -> list[list[int]]:
    """For each hyperparameter the places of those that are active under some of its options."""
    return [
        [place for place, row in enumerate(labels) if above["label"] in row["condition"]]
        for above in labels
    ]


def _crossvalidated(
    values: np.ndarray, target: np.ndarray, below: list[list[int]]
) -> tuple[np.ndarray, float]:
    """The importance ``(folds, labels)``, and the share of the variance that is explained."""
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    inputs = np.where(np.isnan(values), low - (high - low) - 1, values).astype("float32")
    lost, left = [], 0.0
    for seed, (train, test) in enumerate(KFold(FOLDS, shuffle=True, random_state=0).split(inputs)):
        forest = RandomForestRegressor(
            TREES, max_features=1 / 3, min_samples_leaf=2, random_state=seed
        ).fit(inputs[train], target[train])
        left += np.sum((forest.predict(inputs[test]) - target[test]) ** 2)
        swaps = list(_swaps(values, test, below, np.random.default_rng(seed)))
        changed = np.concatenate([swap.applied_to(inputs) for swap in swaps])
        rows = np.concatenate([swap.rows for swap in swaps])
        squared = (forest.predict(changed) - target[rows]) ** 2
        increase = np.zeros(len(below))
        for swap, part in zip(swaps, np.split(squared, _ends(swaps)), strict=True):
            increase[swap.label] += swap.sign * part.sum()
        lost.append(increase / (2 * len(test) * DONORS * target.var()))
    return np.array(lost), round(1 - float(left / len(target) / target.var()), 4)


class Swap(NamedTuple):
    """Values of some columns that test trials get from others, and whether that cost counts."""

    label: int
    sign: int
    rows: np.ndarray
    donors: np.ndarray
    columns: list[int]

    def applied_to(self, inputs: np.ndarray) -> np.ndarray:
        """The rows ``(rows, labels)`` with what they are given."""
        changed = inputs[self.rows]
        changed[:, self.columns] = inputs[self.donors][:, self.columns]
        return changed


def _swaps(
    values: np.ndarray, test: np.ndarray, below: list[list[int]], rng: np.random.Generator
) -> Iterator[Swap]:
    """For each hyperparameter two: with what is under it, and of that alone, at equal option."""
    for label, under in enumerate(below):
        active = np.isfinite(values[:, label])
        rows = np.repeat(test[active[test]], DONORS)
        others = rng.choice(np.flatnonzero(active), len(rows))
        yield Swap(label, 1, rows, others, [label, *under])
        yield Swap(label, -1, rows, _alike(values[:, label], rows, rng) if under else rows, under)


def _ends(swaps: list[Swap]) -> np.ndarray:
    return np.cumsum([len(swap.rows) for swap in swaps])[:-1]


def _alike(options: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each of some rows one at random that has the same option."""
    found = np.empty_like(rows)
    for option in np.unique(options[rows]):
        same = options[rows] == option
        found[same] = rng.choice(np.flatnonzero(options == option), same.sum())
    return found
