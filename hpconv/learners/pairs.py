"""Verification of image pairs (same or different) by a kernel SVM over compared features."""

from collections.abc import Sequence
from functools import cache, reduce
from typing import TYPE_CHECKING
from warnings import catch_warnings

import h5py
import numpy as np

from hpconv.datasets.protocols import Task, error_rate
from hpconv.learners.ensemble_member import Member
from hpconv.learners.pair_kernels import COMPARISONS, PairKernel
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import PairChoice

if TYPE_CHECKING:
    from sklearn.svm import SVC

MAX_ITERATIONS = 200_000  # of libsvm, which needs many when classes overlap and C is large
# values tried on validation pairs; the first of equally good ones is chosen
C_VALUES = (0.001, 0.01, 0.1, 1.0, 10.0)
KERNEL_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ONLY_OWN = 1e6  # a factor so large that the ensemble does not matter
OWN_FACTORS = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125, 8.0, 0.0, ONLY_OWN)

Candidate = tuple[float, tuple[float, ...]]  # C and the weight of each comparison's kernel


class PairClassifier:
    """Comparisons, kernels and SVM over features of images, as a protocol's learning algorithm.

    Labels are 1 for same and 0 for different.

    Args:
        features: of images, ``(n, ...)``.
        rows: rows ``(n,)`` of these images in the data file, ascending.
        settings: how comparisons are scaled; C is chosen on validation pairs instead of l2_reg.
        members: the members of the ensemble that it extends.
        chosen: the choice of an earlier fit; by default C and all weights are 1.

    Attributes:
        chosen: C, kernel weights and the factor of its scores in its ensemble; ``fit`` replaces
            them when it gets validation pairs.
        classes: ``[0, 1]``.
    """

    classes = np.arange(2)

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        rows: np.ndarray,
        settings: ClassifierSettings,
        *,
        members: Sequence[Member] = (),
        chosen: PairChoice | None = None,
    ) -> None:
        self._features = features
        self._rows = rows
        self._settings = settings
        self._members = members
        default = PairChoice(c=1.0, weights=dict.fromkeys(COMPARISONS, 1.0), own=1.0)
        self.chosen: PairChoice = {**default, **(chosen or default)}

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit to a task's pairs; without validation, with the settings chosen before.

        Raises:
            CandidateError: when the comparisons cannot be scaled, as ``Scaler.fit``.
        """
        pairs = self._pairs(task)
        used = [name for name in COMPARISONS if validation or self.chosen["weights"][name]]
        kernels = [PairKernel.fit(self._features, name, pairs, self._settings) for name in used]
        grams = [kernel.gram(pairs) for kernel in kernels]
        if validation:
            tested = self._pairs(validation)
            cross_grams = [kernel.cross_gram(tested, pairs) for kernel in kernels]
            c, chosen = _choose(grams, task.labels, cross_grams, validation.labels)
            self.chosen["c"] = c
            self.chosen["weights"] = dict(zip(COMPARISONS, chosen, strict=True))
        weights = [self.chosen["weights"][name] for name in used]
        svm = _svm(self.chosen["c"], _weighted_sum(grams, weights), task.labels)
        support, coefficients = pairs[svm.support_], svm.dual_coef_[0]
        self._bias = svm.intercept_[0]
        self._terms = [
            (kernel, weight * kernel.primal_weights(support, coefficients))
            for kernel, weight in zip(kernels, weights, strict=True)
            if weight
        ]
        if validation and self._members:
            self.chosen["own"] = self._choose_own(validation)

    @property
    def penalty(self) -> np.ndarray:
        """Zero: the weights of an ensemble of pair classifiers are not penalised."""
        return np.zeros(1)

    def scores(self, task: Task) -> np.ndarray:
        """Its share of the ensemble's scores of a task's pairs, ``(n, 1)``."""
        own = self.chosen["own"] if self._members else 1.0
        return (own * self._own_decision(task))[:, None].astype("float32")

    def decision_function(self, task: Task) -> np.ndarray:
        """Scores of a task's pairs with the ensemble, ``(n, classes)``."""
        same = self._member_decision(task) + self.scores(task)[:, 0]
        return np.stack([-same, same], axis=1)

    def predict(self, task: Task) -> np.ndarray:
        """Labels of a task's pairs, with the ensemble."""
        return self.classes[self.decision_function(task).argmax(axis=1)]

    def _own_decision(self, task: Task) -> np.ndarray:
        pairs = self._pairs(task)
        return self._bias + sum(kernel.project(pairs, weights) for kernel, weights in self._terms)

    def _member_decision(self, task: Task) -> np.ndarray | float:
        return sum(member.scores(task)[:, 0] for member in self._members)

    def _choose_own(self, validation: Task) -> float:
        """The factor of the own decision with the least ensemble error on validation pairs."""
        own, ensemble = self._own_decision(validation), self._member_decision(validation)
        equal_spread = float(np.std(ensemble) / np.std(own))

        def error(factor: float) -> float:
            return error_rate(ensemble + factor * equal_spread * own > 0, validation.labels)

        return equal_spread * min(OWN_FACTORS, key=error)

    def _pairs(self, task: Task) -> np.ndarray:
        return np.searchsorted(self._rows, task.rows)


def _choose(
    grams: Sequence[np.ndarray],
    labels: np.ndarray,
    cross_grams: Sequence[np.ndarray],
    validation_labels: np.ndarray,
) -> Candidate:
    """C and kernel weights with the least validation error.

    C is chosen for single comparisons and for equal weights; then the weights of the best, one
    after another.

    Args:
        grams: ``(n, n)`` of the training pairs, by comparison.
        labels: of the training pairs, ``(n,)``.
        cross_grams: ``(m, n)`` of validation and training pairs, by comparison.
        validation_labels: ``(m,)``.
    """

    @cache
    def error(candidate: Candidate) -> float:
        c, weights = candidate
        svm = _svm(c, _weighted_sum(grams, weights), labels)
        return error_rate(svm.predict(_weighted_sum(cross_grams, weights)), validation_labels)

    count = len(COMPARISONS)
    starts = [tuple(row) for row in np.eye(count).tolist()] + [(1.0,) * count]
    best = min(((c, weights) for weights in starts for c in C_VALUES), key=error)
    for i in range(count):
        c, weights = best
        others = [(*weights[:i], weight, *weights[i + 1 :]) for weight in KERNEL_WEIGHTS]
        best = min([best, *((c, mixture) for mixture in others if any(mixture))], key=error)
    return best


def _weighted_sum(grams: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted sum, without reading matrices of weight 0."""
    terms = (weight * gram for gram, weight in zip(grams, weights, strict=True) if weight)
    return reduce(np.add, terms)


def _svm(c: float, gram: np.ndarray, labels: np.ndarray) -> "SVC":
    from sklearn.exceptions import ConvergenceWarning  # half a second that images do without
    from sklearn.svm import SVC

    with catch_warnings(action="ignore", category=ConvergenceWarning):
        return SVC(C=c, kernel="precomputed", max_iter=MAX_ITERATIONS).fit(gram, labels)
