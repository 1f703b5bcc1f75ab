"""Where an objective falls fastest: limited-memory BFGS for many problems side by side."""

from collections import deque

import numpy as np

MEMORY = 10  # steps that curvature is estimated from
RANK, CONDITION = 400, 1e-5  # leading directions, and their curvature relative to the first
CURVATURE = 0.3  # of the loss at a typical margin
TINY = np.float32(1e-20)


class Preconditioner:
    """Roughly the inverse Hessian: it knows the directions in which features vary most.

    All others are given the curvature of the last of them (Frangella, Tropp and Udell, 2023).

    Args:
        sample: scaled rows ``(n, D)``.
        ridge: curvature of the penalty.
        others: curvature ``(K, Q)`` of the parameters that follow the D weights.
    """

    def __init__(self, sample: np.ndarray, ridge: float, others: np.ndarray) -> None:
        values, vectors = np.linalg.eigh(sample @ sample.T / np.float32(len(sample)))
        values, vectors = np.maximum(values[-RANK:], TINY), vectors[:, -RANK:]
        leading = values >= CONDITION * values[-1]
        values, vectors = values[leading], vectors[:, leading]
        self._basis = (vectors / np.sqrt(values * len(sample))).T @ sample  # (rank, D)
        self._last = np.float32(CURVATURE * values[0] + ridge)
        self._gain = (self._last / (CURVATURE * values + ridge) - 1).astype("float32")
        self._others = others + TINY

    def __call__(self, gradient: np.ndarray) -> np.ndarray:
        """The product ``(K, D + Q)`` with gradients."""
        weights, others = np.split(gradient, [self._basis.shape[1]], axis=1)
        known = weights @ self._basis.T
        weights = (weights + (known * self._gain) @ self._basis) / self._last
        return np.concatenate([weights, others / self._others], axis=1)


class History:
    """The last steps of K problems: changes of their parameters ``(K, P)`` and gradients."""

    def __init__(self, inverse: Preconditioner) -> None:
        self._inverse = inverse
        self._pairs: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(maxlen=MEMORY)
        self._size: np.ndarray | float = 1.0

    def append(self, change: np.ndarray, bend: np.ndarray) -> None:
        """Remember a step; a problem whose gradient did not turn with it learns nothing."""
        product = dot(change, bend)
        turned = product > TINY
        weight = turned / np.where(turned, product, 1)
        self._pairs.append((change, bend, weight))
        size = np.where(turned, weight * dot(bend, self._inverse(bend)), 1)
        self._size = size[:, None]

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """A downhill direction for each problem, ``(K, P)``: two-loop recursion (Nocedal, 1980)."""
        towards, shares = gradient.copy(), []
        for change, bend, weight in reversed(self._pairs):
            shares.append((weight * dot(change, towards))[:, None])
            towards -= shares[-1] * bend
        towards = self._inverse(towards) / self._size
        for change, bend, weight in self._pairs:
            towards += (shares.pop() - (weight * dot(bend, towards))[:, None]) * change
        downhill = dot(towards, gradient) > 0  # rounding can spoil it
        return -np.where(downhill[:, None], towards, gradient).astype("float32")


def dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Inner products ``(K,)`` of the rows of two arrays ``(K, P)``."""
    return np.einsum("kp,kp->k", left, right)
