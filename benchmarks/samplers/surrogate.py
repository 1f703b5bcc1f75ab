"""Surrogates of a table of trials: loss, failure and seconds of any candidate, in microseconds."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from scipy.stats import spearmanr
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from hpconv.config import ModelSettings
from hpconv.errors import CandidateError
from hpconv.model.layers import Filter
from hpconv.model.pipeline import Pipeline, describe
from hpconv.model.space import search_space
from hpconv.model.space_table import table as space_table
from hpconv.search.unit_space import UnitSpace
from hpconv.trials import Assignment

REFUSED = ("map_too_small", "no_filters", "warp_background", "too_many_features", "out_of_memory")
INACTIVE = -0.5  # outside of the unit coordinates
SIZES = ("input", "map", "filtered", "a filter's features", "filters")


def role(label: str) -> str:
    """One name for all labels with the same role in some exit or layer."""
    name = re.sub(r"^l\d(eg|elpa|el|elp|_out_lp)_", "exit_", label)
    name = re.sub(r"_(wr|wp)_", "_w_", name).replace("order_choice", "order")
    return re.sub(r"_(lpsize|psize)$", "_size", name)


class Features:
    """Features of the surrogates: roles in unit coordinates, exit, depth, and sizes."""

    def __init__(
        self, space: UnitSpace, image_shape: tuple[int, ...], model: ModelSettings
    ) -> None:
        self._space, self._shape, self._model = space, image_shape, model
        roles = [role(column.label) for column in space.columns]
        names = sorted(set(roles))
        self._place = np.array([names.index(name) for name in roles])
        self.n_features = len(names) + 2 + len(SIZES)

    def of(self, row: np.ndarray, values: Assignment) -> np.ndarray | None:
        """Features of a candidate; None for one that is refused."""
        try:
            pipeline = describe(values, self._shape, self._model)
        except CandidateError:
            return None
        features = np.full(self.n_features, INACTIVE)
        active = ~np.isnan(row)
        features[self._place[active]] = row[active]
        features[-2 - len(SIZES) : -len(SIZES)] = divmod(values["exit"], 3)
        features[-len(SIZES) :] = _sizes(pipeline)
        return features


def _sizes(pipeline: Pipeline) -> list[int]:
    """What ``SIZES`` names."""
    exit_layers = pipeline.stages[-1]
    filters = exit_layers[0]
    assert isinstance(filters, Filter)
    shapes = [shape for _, shape in pipeline.shapes()]
    below, filtered = (shapes[-len(exit_layers) - k][-1] for k in (1, 0))
    return [
        shapes[0][-1],
        below,
        filtered,
        prod(shapes[-1]) // filters.n_filters,
        filters.n_filters,
    ]


@dataclass(frozen=True)
class Trees:
    """scikit-learn's trees in flat arrays; predicts ``offset`` plus ``scale`` times their sum."""

    roots: np.ndarray
    feature: np.ndarray  # to split by; -1 in a leaf
    threshold: np.ndarray
    children: np.ndarray
    value: np.ndarray
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of_forest(cls, forest: Any) -> "Trees":
        trees = [member.tree_ for member in forest.estimators_]
        parts = [
            (t.feature, t.threshold, t.children_left, t.children_right, _mean(t)) for t in trees
        ]
        return cls._joined(parts, 1 / len(trees), 0.0)

    @classmethod
    def of_boosting(cls, model: Any) -> "Trees":
        nodes = [stage[0].nodes for stage in model._predictors]
        parts = [
            (
                np.where(n["is_leaf"], -1, n["feature_idx"].astype(int)),
                *(n[key] for key in ("num_threshold", "left", "right", "value")),
            )
            for n in nodes
        ]
        return cls._joined(parts, 1.0, float(np.ravel(model._baseline_prediction)[0]))

    @classmethod
    def _joined(
        cls, parts: Sequence[tuple[np.ndarray, ...]], scale: float, offset: float
    ) -> "Trees":
        roots = np.cumsum([0, *(len(part[0]) for part in parts)])[:-1]
        children = [
            np.stack([left, right], 1).astype(int) + root
            for root, (_, _, left, right, _) in zip(roots, parts, strict=True)
        ]
        feature, threshold, value = (np.concatenate([part[k] for part in parts]) for k in (0, 1, 4))
        return cls(roots, feature, threshold, np.concatenate(children), value, scale, offset)

    def __call__(self, features: np.ndarray) -> float:
        arrays = (self.roots, self.feature, self.threshold, self.children, self.value)
        return self.offset + self.scale * float(_walk(*arrays, features))


def _mean(tree: Any) -> np.ndarray:
    """Of each node the mean, or the share of failures where the tree classifies."""
    return tree.value[:, 0, -1]


@njit(cache=True)
def _walk(roots, feature, threshold, children, value, features):  # type: ignore[no-untyped-def]
    total = 0.0
    for root in roots:
        node = root
        while feature[node] >= 0:
            node = children[node, 0 if features[feature[node]] <= threshold[node] else 1]
        total += value[node]
    return total


@dataclass(frozen=True)
class Outcome:
    """Of a candidate: loss without noise (logit), probability of a failure, and seconds."""

    loss: float
    failing: float
    seconds: float


class Surrogate:
    """Predicts the outcome of any candidate from a table.

    Args:
        kind: of the loss: ``trees`` (extremely randomised), ``boosting`` (both of trees),
            or ``kernel`` (ridge regression).
    """

    def __init__(
        self, table: Path, image_shape: tuple[int, ...], model: ModelSettings, kind: str
    ) -> None:
        space = search_space(model.output_sizes, model.max_layer_sizes)
        self.space = UnitSpace(space_table(space))
        self.graph = space
        self._features = Features(self.space, image_shape, model)
        known, trials = self._read(table)
        failed = np.array([trial["loss"] is None for trial in trials])
        losses = np.array([trial["loss"] for trial in trials if trial["loss"] is not None])
        timed = np.array([trial["seconds"] is not None for trial in trials])
        seconds = [sum(trial["seconds"].values()) for trial in trials if trial["seconds"]]
        self.quality = _quality(kind, known[~failed], _logit(losses))
        self.noise = self.quality["residual"] / 4  # the rest is what the learner does not see
        learner = LEARNERS[kind]().fit(known[~failed], _logit(losses))
        self._loss = FAST.get(kind, _one)(learner)
        self._failing = Trees.of_forest(
            ExtraTreesClassifier(50, min_samples_leaf=2, random_state=0).fit(known, failed)
        )
        self._seconds = Trees.of_forest(
            ExtraTreesRegressor(25, min_samples_leaf=2, random_state=0).fit(
                known[timed], np.log(np.maximum(seconds, 0.01))
            )
        )

    def _read(self, table: Path) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Features and trials of the rows that were built."""
        known, trials = [], []
        with gzip.open(table, "rt") as lines:
            for trial in map(json.loads, lines):
                features = self._features.of(self.space.row(trial["vals"]), trial["vals"])
                if features is not None and trial["failure"] not in REFUSED:
                    known.append(features)
                    trials.append(trial)
        return np.array(known), trials

    def __call__(self, values: Assignment) -> Outcome | None:
        """None for a candidate that is refused before it is built."""
        features = self._features.of(self.space.row(values), values)
        if features is None:
            return None
        seconds = float(np.exp(self._seconds(features)))
        return Outcome(self._loss(features), self._failing(features), seconds)

    def random(self, rng: np.random.Generator) -> Iterator[Assignment]:
        """Assignments from the prior, without end."""
        while True:
            yield self.space.values(self.space.draw(1, rng)[0])

    def observed(self, outcome: Outcome, rng: np.random.Generator) -> float | None:
        """The loss that a search observes, on the logit scale with noise; None for a failure."""
        noise = rng.normal(0, self.noise)
        return None if rng.random() < outcome.failing else outcome.loss + noise


LEARNERS = {
    "trees": lambda: ExtraTreesRegressor(100, min_samples_leaf=2, max_features=0.5, random_state=0),
    "boosting": lambda: HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.05, max_leaf_nodes=15, random_state=0
    ),
    "kernel": lambda: TransformedTargetRegressor(
        make_pipeline(
            FunctionTransformer(_log_sizes),
            MinMaxScaler(),
            KernelRidge(alpha=0.5, kernel="laplacian", gamma=0.05),
        ),
        transformer=StandardScaler(),
    ),
}


def _log_sizes(features: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [features[:, : -len(SIZES)], np.log1p(features[:, -len(SIZES) :])], axis=1
    )


FAST = {"trees": Trees.of_forest, "boosting": Trees.of_boosting}


def _one(learner: Any) -> Callable[[np.ndarray], float]:
    """The prediction for one candidate."""
    return lambda features: float(learner.predict(features[None])[0])


def _logit(error: np.ndarray) -> np.ndarray:
    inside = np.clip(error, 1e-3, 1 - 1e-3)
    return np.log(inside / (1 - inside))


def _quality(kind: str, known: np.ndarray, losses: np.ndarray) -> dict[str, float]:
    """Rank correlation on held-out rows, of all and of the best 30 %; the residual's deviation."""
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(LEARNERS[kind](), known, losses, cv=folds)
    best = losses <= np.quantile(losses, 0.3)
    return {
        "rows": len(losses),
        "rank correlation": float(spearmanr(predicted, losses).statistic),
        "in the best 30 %": float(spearmanr(predicted[best], losses[best]).statistic),
        "residual": float(np.std(predicted - losses)),
    }
