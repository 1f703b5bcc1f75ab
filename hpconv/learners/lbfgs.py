"""Preconditioned limited-memory BFGS for K independent problems at once.

Notation as in Nocedal and Wright, Numerical Optimization (2006), section 7.2; every array has
one row for each problem.
"""

from collections import deque

import numpy as np
from scipy.linalg import eigh

MEMORY = 10  # (s, y) pairs that are kept
RANK, CONDITION = 200, 1e-5  # leading directions: at most, and least relative variance
CURVATURE = 0.3  # second derivative of the loss at a typical margin
TINY = np.float32(1e-20)


class Preconditioner:
    """Approximate inverse Hessian from the directions in which features vary most.

    All other directions get the curvature of the last of them (Frangella, Tropp and Udell, 2023).

    Args:
        sample: scaled rows ``(n, D)``.
        ridge: curvature of the penalty.
        others: curvature ``(K, Q)`` of the parameters that follow the D weights.
    """

    def __init__(self, sample: np.ndarray, ridge: float, others: np.ndarray) -> None:
        gram = sample @ sample.T / np.float32(len(sample))
        values, vectors = eigh(gram, driver="evd", overwrite_a=True)
        values, vectors = np.maximum(values[-RANK:], TINY), vectors[:, -RANK:]
        leading = values >= CONDITION * values[-1]
        values, vectors = values[leading], vectors[:, leading]
        self._basis = (vectors / np.sqrt(values * len(sample))).T @ sample  # (rank, D)
        self._last = np.float32(CURVATURE * values[0] + ridge)
        self._gain = (self._last / (CURVATURE * values + ridge) - 1).astype("float32")
        self._others = others + TINY

    def __call__(self, gradient: np.ndarray) -> np.ndarray:
        """The product with gradients, ``(K, D + Q)``."""
        weights, others = np.split(gradient, [self._basis.shape[1]], axis=1)
        known = weights @ self._basis.T
        weights = (weights + (known * self._gain) @ self._basis) / self._last
        return np.concatenate([weights, others / self._others], axis=1)


class LBFGS:
    """Inverse Hessians of K problems, from their last steps s and changes y of the gradient.

    The initial inverse Hessian is the preconditioner, scaled to the newest pair.
    """

    def __init__(self, preconditioner: Preconditioner) -> None:
        self._preconditioner = preconditioner
        self._pairs: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(maxlen=MEMORY)
        self._scale: np.ndarray | float = 1.0

    def append(self, s: np.ndarray, y: np.ndarray) -> None:
        """Store a pair ``(K, P)``; problems without positive curvature along s ignore it."""
        sy = dot(s, y)
        curved = sy > TINY
        rho = curved / np.where(curved, sy, 1)
        self._pairs.append((s, y, rho))
        self._scale = np.where(curved, rho * dot(y, self._preconditioner(y)), 1)[:, None]

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """A descent direction for each problem, ``(K, P)``, by the two-loop recursion."""
        q, alphas = gradient.copy(), []
        for s, y, rho in reversed(self._pairs):
            alphas.append((rho * dot(s, q))[:, None])
            q -= alphas[-1] * y
        r = self._preconditioner(q) / self._scale
        for s, y, rho in self._pairs:
            r += (alphas.pop() - (rho * dot(y, r))[:, None]) * s
        descends = dot(r, gradient) > 0  # rounding errors can prevent it
        return -np.where(descends[:, None], r, gradient).astype("float32")


def dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Inner products ``(K,)`` of the rows of two arrays ``(K, P)``."""
    return np.einsum("kp,kp->k", left, right)
