"""The published primal SVM, and images' features classified by it."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from hpconv.datasets.protocols import Task
from hpconv.learners.ensemble_member import Member
from hpconv.learners.feature_matrix import KEPT_BYTES, FeatureRows
from hpconv.learners.scaling import Scaler
from hpconv.learners.smoothed_hinge import Problem, minimum
from hpconv.model.pipeline import ClassifierSettings


class LinearSVM:
    """One-versus-all linear SVM, fitted in the primal by L-BFGS.

    Minimises the mean over examples of ``log1p(exp(10 (0.9 - m))) / 10``, summed over
    classes, plus ``l2_reg / 2 |w|^2``; m is the signed margin (Bergstra et al. 2013).

    Where it continues an ensemble, the scores of each earlier member are added, weighted by
    class; those weights are fitted along, from 1, and penalised as the members were: partially
    corrective boosting.
    """

    def __init__(self, l2_reg: float) -> None:
        self.l2_reg = l2_reg

    def fit(
        self,
        features: np.ndarray | FeatureRows,
        labels: np.ndarray,
        previous: np.ndarray | None = None,
        penalties: np.ndarray | None = None,
    ) -> "LinearSVM":
        """Fit to float32 features ``(N, D)`` and integer labels ``(N,)``.

        Args:
            previous: scores ``(members, N, classes)`` of the ensemble that is continued.
            penalties: ``l2_reg |w|^2`` of its members, ``(members, classes)``.
        """
        self.classes = np.unique(labels)
        n_classes = len(self.classes)
        if previous is None or penalties is None:
            previous = np.zeros((0, len(labels), n_classes))
            penalties = np.zeros((0, n_classes))
        rows = features if isinstance(features, FeatureRows) else FeatureRows(features)
        width = rows.shape[1]
        start = np.zeros((n_classes, width + 1 + len(penalties)), "float32")
        ridge = np.full_like(start, self.l2_reg)
        ridge[:, width] = 0
        start[:, width + 1 :], ridge[:, width + 1 :] = 1, penalties.T
        signs = np.where(labels == self.classes[:, None], 1, -1).astype("float32")
        members = np.ascontiguousarray(previous.transpose(0, 2, 1), "float32")
        found = minimum(Problem(rows, signs, members, ridge), start)
        self.weights, self.bias = found[:, :width].T, found[:, width]
        self.previous_weights = found[:, width + 1 :].T
        return self

    def scores(self, features: np.ndarray | FeatureRows) -> np.ndarray:
        """What the features alone say, ``(N, classes)``: ``x w``."""
        if isinstance(features, FeatureRows):
            return features.scores(self.weights.T).T
        return features @ self.weights

    def decision(
        self, features: np.ndarray | FeatureRows, previous: np.ndarray | None = None
    ) -> np.ndarray:
        """Scores ``(N, classes)`` with the bias and, if there is one, the ensemble."""
        decision = self.scores(features) + self.bias
        if previous is not None:
            decision += np.einsum("mnk,mk->nk", previous, self.previous_weights)
        return decision

    def predict(
        self, features: np.ndarray | FeatureRows, previous: np.ndarray | None = None
    ) -> np.ndarray:
        """Labels ``(N,)``."""
        return self.classes[self.decision(features, previous).argmax(axis=1)]


class FeatureClassifier:
    """Scaler and SVM over precomputed features of images, as a protocol's learning algorithm."""

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        rows: np.ndarray,
        settings: ClassifierSettings,
        history: Sequence[Member] = (),
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """Take features ``(n, ...)``, whose rows are these rows of the data file, rising.

        Args:
            kept_bytes: of scaled training features at most; more are read anew, in blocks.
        """
        self._features = features
        self._rows = rows
        self._settings = settings
        self._history = history
        self._kept_bytes = kept_bytes
        self.chosen: dict[str, Any] = {}

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Estimate scaling and weights from a task's rows; validation is not needed."""
        unscaled = FeatureRows(self._features, self._numbers(task))
        self._scaler = Scaler.fit(unscaled, self._settings)
        penalties = [member.penalty for member in self._history]
        self._svm = LinearSVM(self._settings.l2_reg).fit(
            self._scaled(task, self._kept_bytes),
            task.labels,
            self._previous(task),
            np.array(penalties) if penalties else None,
        )

    @property
    def penalty(self) -> np.ndarray:
        """``l2_reg |w|^2`` of each class."""
        return self._settings.l2_reg * (self._svm.weights**2).sum(axis=0)

    def scores(self, task: Task) -> np.ndarray:
        """What this classifier alone says of a task's rows, ``(n, classes)``."""
        return self._svm.scores(self._scaled(task))

    @property
    def classes(self) -> np.ndarray:
        """The labels that it can give, rising."""
        return self._svm.classes

    def decision(self, task: Task) -> np.ndarray:
        """Scores ``(n, classes)`` of a task's rows, with the ensemble: the greatest decides."""
        return self._svm.decision(self._scaled(task), self._previous(task))

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's rows, together with the ensemble that is continued."""
        return self.classes[self.decision(task).argmax(axis=1)]

    def _previous(self, task: Task) -> np.ndarray | None:
        scores = [member.scores(task) for member in self._history]
        return np.stack(scores).astype("float32") if scores else None

    def _scaled(self, task: Task, kept_bytes: int = 0) -> FeatureRows:
        return FeatureRows(self._features, self._numbers(task), self._scaler.in_place, kept_bytes)

    def _numbers(self, task: Task) -> np.ndarray:
        return np.searchsorted(self._rows, task.rows)
