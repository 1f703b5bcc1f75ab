"""Same or different: pairs of images classified by a kernel SVM over comparisons of features."""

from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Any
from warnings import catch_warnings

import h5py
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from hpconv.datasets.protocols import Task, error_rate
from hpconv.learners.ensemble_member import Member
from hpconv.learners.pair_kernels import COMPARISONS, PairKernel
from hpconv.model.pipeline import ClassifierSettings

MAX_ITERATIONS = 200_000  # of libsvm, which takes very many where classes overlap and C is large
# what is tried on validation pairs; of equals, the first is chosen
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # C
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernel of a comparison
ALONE = 1e6  # a share beside which the ensemble has nothing to say
SHARES = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125, 8.0, 0.0, ALONE)  # of a member in its ensemble

Choice = tuple[float, tuple[float, ...]]  # C and a weight for each comparison


class PairClassifier:
    """Comparisons, kernels and SVM over features of images, as a protocol's learning algorithm.

    Labels are 1 for the same and 0 for different. ``chosen`` is what validation pairs decide:
    ``c``, the ``weights`` of the comparisons and, for a member that continues an ensemble, by
    which factor ``own`` its decision joins those of the others.
    """

    classes = np.arange(2)

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        rows: np.ndarray,
        settings: ClassifierSettings,
        history: Sequence[Member] = (),
        chosen: Mapping[str, Any] | None = None,
    ) -> None:
        """Take features ``(n, ...)``, whose rows are these rows of the data file, rising.

        Args:
            settings: say how comparisons are scaled; C is for validation to choose, not l2_reg.
        """
        self._features = features
        self._rows = rows
        self._settings = settings
        self._history = history
        plain = {"c": 1.0, "weights": dict.fromkeys(COMPARISONS, 1.0), "own": 1.0}
        self.chosen: dict[str, Any] = plain | dict(chosen or {})

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit to a task's pairs; without validation, with what was chosen before."""
        pairs = self._pairs(task)
        weighted = [name for name in COMPARISONS if validation or self.chosen["weights"][name]]
        kernels = [PairKernel.fit(self._features, n, pairs, self._settings) for n in weighted]
        grams = [kernel.within(pairs) for kernel in kernels]
        if validation:
            tested = self._pairs(validation)
            between = [kernel.between(tested, pairs) for kernel in kernels]
            self.chosen |= _choose(grams, task.labels, between, validation.labels)
        weights = [self.chosen["weights"][name] for name in weighted]
        svm = _svm(self.chosen["c"], _weighted(grams, weights), task.labels)
        support, coefficients = pairs[svm.support_], svm.dual_coef_[0]
        self._bias = svm.intercept_[0]
        self._terms = [
            (kernel, weight * kernel.direction(support, coefficients))
            for kernel, weight in zip(kernels, weights, strict=True)
            if weight
        ]
        if validation and self._history:
            self.chosen["own"] = self._own(validation)

    @property
    def penalty(self) -> np.ndarray:
        """Nothing: the weights of an ensemble of such classifiers are not fitted with a penalty."""
        return np.zeros(1)

    def scores(self, task: Task) -> np.ndarray:
        """What this classifier adds to an ensemble's decision on a task's pairs, ``(n, 1)``."""
        own = self.chosen["own"] if self._history else 1.0
        return (own * self._decision(task))[:, None].astype("float32")

    def decision(self, task: Task) -> np.ndarray:
        """Scores ``(n, classes)`` of a task's pairs, with the ensemble: the greater decides."""
        same = self._previous(task) + self.scores(task)[:, 0]
        return np.stack([-same, same], axis=1)

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's pairs, together with the ensemble that is continued."""
        return self.classes[self.decision(task).argmax(axis=1)]

    def _decision(self, task: Task) -> np.ndarray:
        pairs = self._pairs(task)
        return self._bias + sum(kernel.along(way, pairs) for kernel, way in self._terms)

    def _previous(self, task: Task) -> np.ndarray | float:
        return sum(member.scores(task)[:, 0] for member in self._history)

    def _own(self, validation: Task) -> float:
        """The factor with which the own decision does best beside the ensemble's."""
        own, previous = self._decision(validation), self._previous(validation)
        even = float(np.std(previous) / np.std(own))  # both decisions then spread alike

        def error(share: float) -> float:
            return error_rate(previous + share * even * own > 0, validation.labels)

        return even * min(SHARES, key=error)

    def _pairs(self, task: Task) -> np.ndarray:
        return np.searchsorted(self._rows, task.rows)


def _choose(
    grams: Sequence[np.ndarray],
    labels: np.ndarray,
    between: Sequence[np.ndarray],
    validation: np.ndarray,
) -> dict[str, Any]:
    """C and weights with the least validation error: one comparison, all alike, or a mixture.

    Args:
        grams: of the training pairs, by comparison; labels are theirs.
        between: of validation pairs and training pairs.
        validation: labels of the validation pairs.
    """

    @cache
    def error(choice: Choice) -> float:
        c, weights = choice
        svm = _svm(c, _weighted(grams, weights), labels)
        return error_rate(svm.predict(_weighted(between, weights)), validation)

    count = len(COMPARISONS)
    starts = [tuple(row) for row in np.eye(count).tolist()] + [(1.0,) * count]
    best = min(((c, weights) for weights in starts for c in PENALTIES), key=error)
    for place in range(count):
        c, weights = best
        others = [(*weights[:place], weight, *weights[place + 1 :]) for weight in WEIGHTS]
        best = min([best, *((c, mixture) for mixture in others if any(mixture))], key=error)
    return {"c": best[0], "weights": dict(zip(COMPARISONS, best[1], strict=True))}


def _weighted(grams: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Their weighted sum; one of no weight is not looked at."""
    terms = (weight * gram for gram, weight in zip(grams, weights, strict=True) if weight)
    return reduce(np.add, terms)


def _svm(c: float, gram: np.ndarray, labels: np.ndarray) -> SVC:
    with catch_warnings(action="ignore", category=ConvergenceWarning):
        return SVC(C=c, kernel="precomputed", max_iter=MAX_ITERATIONS).fit(gram, labels)
