"""Classifiers over features: the published primal SVM, and the scaling in front of it."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from hpconv.candidate import ClassifierSettings
from hpconv.errors import CandidateError
from hpconv.protocols import Task

MARGIN, SHARPNESS = 0.9, 10.0  # of the smoothed hinge loss
MAX_ITERATIONS = 300
TINY = 1e-7


@dataclass(frozen=True)
class Scaler:
    """``(x - mean) / scale`` with statistics of the training rows."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, settings: ClassifierSettings) -> "Scaler":
        """Estimate from features ``(N, D)``: scale is ``sqrt(std^2 + varthresh)``.

        remove_std0 turns a deviation of 0 to 1; divrowl2 also divides by the average length
        of a scaled row.

        Raises:
            CandidateError: ``homogeneous`` when no feature differs between rows.
        """
        mean = features.mean(axis=0, dtype="float64")
        std = features.std(axis=0, dtype="float64")
        if not std.any():
            raise CandidateError("homogeneous", "every image has the same features")
        if settings.remove_std0:
            std[std == 0] = 1
        scale = np.sqrt(std**2 + settings.varthresh)
        if settings.divrowl2:
            rows = (features - mean) / scale
            scale *= TINY + np.sqrt((rows**2).sum(axis=1)).mean()
        return cls(mean, scale)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scaled features, float32."""
        return ((features - self.mean) / self.scale).astype("float32")


class LinearSVM:
    """One-versus-all linear SVM, fitted in the primal by L-BFGS.

    Minimises the mean over examples of ``log1p(exp(10 (0.9 - m))) / 10``, summed over
    classes, plus ``l2_reg / 2 |w|^2``; m is the signed margin (Bergstra et al. 2013).
    """

    def __init__(self, l2_reg: float) -> None:
        self.l2_reg = l2_reg

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "LinearSVM":
        """Fit to float32 features ``(N, D)`` and integer labels ``(N,)``."""
        self.classes = np.unique(labels)
        signs = np.where(labels[:, None] == self.classes, 1.0, -1.0).astype("float32")
        shape = (features.shape[1] + 1, len(self.classes))
        found = minimize(
            self._objective,
            np.zeros(shape).ravel(),
            args=(features, signs, shape),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MAX_ITERATIONS, "maxcor": 32},
        )
        weights = found.x.reshape(shape)
        self.weights, self.bias = weights[:-1].astype("float32"), weights[-1].astype("float32")
        return self

    def _objective(
        self, flat: np.ndarray, features: np.ndarray, signs: np.ndarray, shape: tuple[int, int]
    ) -> tuple[float, np.ndarray]:
        parameters = flat.reshape(shape)
        weights = parameters[:-1]
        scores = features @ weights.astype("float32") + parameters[-1].astype("float32")
        slack = SHARPNESS * (MARGIN - signs * scores)
        loss = np.logaddexp(0, slack).sum(dtype="float64") / (SHARPNESS * len(signs))
        slope = -signs * expit(slack) / np.float32(len(signs))
        gradient = np.empty(shape)
        gradient[:-1] = features.T @ slope + self.l2_reg * weights
        gradient[-1] = slope.sum(axis=0)
        return loss + 0.5 * self.l2_reg * float((weights**2).sum()), gradient.ravel()

    def decision(self, features: np.ndarray) -> np.ndarray:
        """Scores ``(N, classes)``."""
        return features @ self.weights + self.bias

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Labels ``(N,)``."""
        return self.classes[self.decision(features).argmax(axis=1)]


class FeatureClassifier:
    """Scaler and SVM over precomputed features, as a protocol's learning algorithm."""

    def __init__(
        self, features: np.ndarray, rows: np.ndarray, settings: ClassifierSettings
    ) -> None:
        """Take features ``(n, ...)``, whose rows are these rows of the data file, rising."""
        self._features = features.reshape(len(features), -1)
        self._rows = rows
        self._settings = settings

    def fit(self, task: Task) -> None:
        """Estimate scaling and weights from a task's rows."""
        features = self._select(task)
        self._scaler = Scaler.fit(features, self._settings)
        self._svm = LinearSVM(self._settings.l2_reg).fit(self._scaler(features), task.labels)

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's rows."""
        return self._svm.predict(self._scaler(self._select(task)))

    def _select(self, task: Task) -> np.ndarray:
        return self._features[np.searchsorted(self._rows, task.rows)]
