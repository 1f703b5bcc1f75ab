"""Standardisation of features by statistics of the training rows."""

from dataclasses import dataclass

import numpy as np

from hpconv.errors import CandidateError
from hpconv.learners.feature_matrix import FeatureRows
from hpconv.model.pipeline import ClassifierSettings

TINY = 1e-7


@dataclass(frozen=True)
class Scaler:
    """``(x - mean) / scale`` with statistics of the training rows.

    Attributes:
        mean: ``(D,)`` float64.
        scale: ``(D,)`` float64.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray | FeatureRows, settings: ClassifierSettings) -> "Scaler":
        """Estimate from features ``(N, D)``: scale is ``sqrt(std^2 + varthresh)``.

        remove_std0 replaces a variance of 0 by 1; divrowl2 also divides by the mean length of
        a scaled row.

        Raises:
            CandidateError: ``homogeneous`` when no feature differs between rows, ``non_finite``
                when a scale is 0 or not finite.
        """
        rows = features if isinstance(features, FeatureRows) else FeatureRows(features)
        mean, variance = _moments(rows)
        if not variance.any():
            raise CandidateError("homogeneous", "every image has the same features")
        if settings.remove_std0:
            variance[variance == 0] = 1
        scale = np.sqrt(variance + settings.varthresh)
        if not (scale.all() and np.isfinite(scale).all()):
            raise CandidateError("non_finite", "the features cannot be scaled")
        scaler = cls(mean, scale)
        if not settings.divrowl2:
            return scaler
        length = sum(_total_length(scaler(block)) for _, block in rows.blocks()) / rows.shape[0]
        return cls(mean, scaler.scale * (TINY + length))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scaled features, float32."""
        scaled = features.astype("float32")
        self.in_place(scaled)
        return scaled

    def in_place(self, features: np.ndarray) -> None:
        """Scale float32 features ``(N, D)`` in place."""
        features -= self.mean.astype("float32")
        features /= self.scale.astype("float32")


def _moments(rows: FeatureRows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance ``(D,)`` in float64, in one pass.

    Blocks are centred before they are squared, and combined as in Chan, Golub and LeVeque
    (1983). All values are relative to the first row, so that a constant feature has a variance
    of exactly 0.
    """
    origin, count = rows.first(), 0
    mean = squares = np.zeros(rows.shape[1])
    for _, block in rows.blocks():
        block -= origin
        centre = block.mean(axis=0)
        block -= centre
        residue = block.mean(axis=0, dtype="float64")  # left of the mean by rounding
        within = np.einsum("nd,nd->d", block, block) - len(block) * residue**2
        total = count + len(block)
        shift = centre + residue - mean
        squares = squares + within + shift**2 * (count * len(block) / total)
        mean = mean + shift * (len(block) / total)
        count = total
    return mean + origin, np.maximum(squares, 0) / count


def _total_length(rows: np.ndarray) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", rows, rows)).sum(dtype="float64"))
