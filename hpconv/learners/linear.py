"""The published primal SVM, and a classifier of images' features that uses it."""

from collections.abc import Sequence

import h5py
import numpy as np

from hpconv.datasets.protocols import Task
from hpconv.learners.ensemble_member import Member
from hpconv.learners.feature_matrix import KEPT_BYTES, FeatureRows
from hpconv.learners.linear_scores import Linear
from hpconv.learners.scaling import Scaler
from hpconv.learners.smoothed_hinge import Problem, minimise
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import PairChoice


class LinearSVM:
    """One-versus-all linear SVM, fitted in the primal by L-BFGS.

    Minimises the mean over examples of ``log1p(exp(10 (0.9 - m))) / 10``, summed over
    classes, plus ``l2_reg / 2 |w|^2``; m is the signed margin (Bergstra et al. 2013).

    When it extends an ensemble, it adds the scores of each earlier member, weighted by class.
    These weights start at 1, are fitted together with its own, and are penalised as the members
    were: partially corrective boosting.

    Attributes:
        l2_reg: regularisation.
        classes: labels ``(K,)``, ascending.
        weights: ``(D, K)``.
        bias: ``(K,)``.
        member_weights: weights of the earlier members, ``(members, K)``.
    """

    def __init__(self, l2_reg: float) -> None:
        self.l2_reg = l2_reg

    def fit(
        self,
        features: np.ndarray | FeatureRows,
        labels: np.ndarray,
        member_scores: np.ndarray | None = None,
        penalties: np.ndarray | None = None,
    ) -> "LinearSVM":
        """Fit to float32 features ``(N, D)`` and integer labels ``(N,)``.

        Args:
            member_scores: scores ``(members, N, classes)`` of the ensemble that it extends.
            penalties: ``l2_reg |w|^2`` of its members, ``(members, classes)``.
        """
        self.classes = np.unique(labels)
        n_classes = len(self.classes)
        if member_scores is None or penalties is None:
            member_scores = np.zeros((0, len(labels), n_classes))
            penalties = np.zeros((0, n_classes))
        rows = features if isinstance(features, FeatureRows) else FeatureRows(features)
        width = rows.shape[1]
        start = np.zeros((n_classes, width + 1 + len(penalties)), "float32")
        ridge = np.full_like(start, self.l2_reg)
        ridge[:, width] = 0
        start[:, width + 1 :], ridge[:, width + 1 :] = 1, penalties.T
        signs = np.where(labels == self.classes[:, None], 1, -1).astype("float32")
        by_class = np.ascontiguousarray(member_scores.transpose(0, 2, 1), "float32")
        found = minimise(Problem(rows, signs, by_class, ridge), start)
        self.weights, self.bias = found[:, :width].T, found[:, width]
        self.member_weights = found[:, width + 1 :].T
        return self

    def scores(self, features: np.ndarray | FeatureRows) -> np.ndarray:
        """Scores ``x w`` without bias and ensemble, ``(N, classes)``."""
        if isinstance(features, FeatureRows):
            return features.matmul(self.weights.T).T
        return features @ self.weights

    def decision_function(
        self, features: np.ndarray | FeatureRows, member_scores: np.ndarray | None = None
    ) -> np.ndarray:
        """Scores ``(N, classes)`` with the bias and, if there is one, the ensemble."""
        decision = self.scores(features) + self.bias
        if member_scores is not None:
            decision += np.einsum("mnk,mk->nk", member_scores, self.member_weights)
        return decision

    def predict(
        self, features: np.ndarray | FeatureRows, member_scores: np.ndarray | None = None
    ) -> np.ndarray:
        """Labels ``(N,)``."""
        return self.classes[self.decision_function(features, member_scores).argmax(axis=1)]


class FeatureClassifier:
    """Scaler and SVM over precomputed features of images, as a protocol's learning algorithm.

    With several views of each image, such as its mirror image, it is fitted to all of them, and the
    scores of an image are the means of those of its views.

    Args:
        features: of images, ``(n, ...)``; of several views ``(views n, ...)``, one view of all
            images after the other.
        rows: rows ``(n,)`` of these images in the data file, ascending.
        members: the members of the ensemble that it extends.
        kept_bytes: memory limit for scaled training features; larger ones are read again for
            every pass.

    Attributes:
        chosen: None, as validation examples decide nothing.
    """

    chosen: PairChoice | None = None

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        rows: np.ndarray,
        settings: ClassifierSettings,
        *,
        members: Sequence[Member] = (),
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._features = features
        self._rows = rows
        self._views = len(features) // len(rows)
        self._settings = settings
        self._members = members
        self._kept_bytes = kept_bytes

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Estimate scaling and weights from a task's examples; validation is not used.

        Raises:
            CandidateError: when the features cannot be scaled, as ``Scaler.fit``.
        """
        unscaled = FeatureRows(self._features, self._indices(task))
        self._scaler = Scaler.fit(unscaled, self._settings)
        penalties = [member.penalty for member in self._members]
        self._svm = LinearSVM(self._settings.l2_reg).fit(
            self._scaled(task, self._kept_bytes),
            np.tile(task.labels, self._views),
            self._member_scores(task),
            np.array(penalties) if penalties else None,
        )

    @property
    def penalty(self) -> np.ndarray:
        """Regularisation cost ``l2_reg |w|^2`` of each class, ``(classes,)``."""
        return self._settings.l2_reg * (self._svm.weights**2).sum(axis=0)

    def scores(self, task: Task) -> np.ndarray:
        """Scores of a task's examples without bias and ensemble, ``(n, classes)``."""
        return self._mean_of_views(self._svm.scores(self._scaled(task)))

    @property
    def classes(self) -> np.ndarray:
        """Labels ``(classes,)``, ascending."""
        return self._svm.classes

    def decision_function(self, task: Task) -> np.ndarray:
        """Scores of a task's examples with the ensemble, ``(n, classes)``."""
        scores = self._svm.decision_function(self._scaled(task), self._member_scores(task))
        return self._mean_of_views(scores)

    def predict(self, task: Task) -> np.ndarray:
        """Labels of a task's examples, with the ensemble."""
        return self.classes[self.decision_function(task).argmax(axis=1)]

    def linear(self, member_weights: np.ndarray | None = None) -> Linear:
        """The fitted classifier without the ensemble.

        Args:
            member_weights: ``(classes,)`` of a later member, which replace the bias: the share of
                the scores of an ensemble.
        """
        bias = self._svm.bias if member_weights is None else np.zeros_like(self._svm.bias)
        weights = self._svm.weights * (1 if member_weights is None else member_weights)
        mean, scale, weights, bias = (
            array.astype("float32", order="C")
            for array in (self._scaler.mean, self._scaler.scale, weights, bias)
        )
        return Linear(mean, scale, weights, bias, self.classes.astype("int64"))

    @property
    def member_weights(self) -> np.ndarray:
        """Weights of the earlier members, ``(members, classes)``."""
        return self._svm.member_weights

    def _member_scores(self, task: Task) -> np.ndarray | None:
        scores = [member.scores(task) for member in self._members]
        return np.tile(scores, (self._views, 1)).astype("float32") if scores else None

    def _scaled(self, task: Task, kept_bytes: int = 0) -> FeatureRows:
        return FeatureRows(self._features, self._indices(task), self._scaler.in_place, kept_bytes)

    def _indices(self, task: Task) -> np.ndarray:
        """Places ``(views n,)`` of a task's examples in the features."""
        first = np.searchsorted(self._rows, task.rows)
        return np.concatenate([first + view * len(self._rows) for view in range(self._views)])

    def _mean_of_views(self, scores: np.ndarray) -> np.ndarray:
        return scores.reshape(self._views, -1, scores.shape[1]).mean(axis=0)
