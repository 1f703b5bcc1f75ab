"""ZCA whitening with a low pass (Coates et al. 2011), of patches processed in blocks.

The whitening matrix is ``P = (C + gamma I)^(-1/2)``, C the covariance of contrast-normalised
patches. Filters need only products with a few rows, so P itself is never formed: it would take
several arrays of D x D values, and an eigendecomposition is many times slower than Cholesky.
"""

from math import ceil, log, pi

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.special import ellipj, ellipkm1

from hpconv.errors import CandidateError

# of the largest eigenvalue: smaller ones are rounding errors of the float32 products
PRECISION = 1e-8
RESTORED = 256  # columns at a time


class Moments:
    """Mean and covariance of rows ``(n, D)`` that are added in blocks.

    Products of a block are float32, sums of blocks float64. All values are relative to the mean of
    the first block, to avoid cancellation (Chan, Golub, LeVeque 1983).
    """

    def __init__(self, width: int) -> None:
        self._count = 0
        self._origin = np.zeros(width)
        self._sum = np.zeros(width)
        self._products = np.zeros((width, width))

    def add(self, rows: np.ndarray, counts: np.ndarray) -> None:
        """Add float32 rows, each counts ``(n,)`` times; rows are overwritten."""
        if not self._count:
            self._origin = rows.mean(axis=0, dtype="float64")
        weights = np.sqrt(counts).astype(rows.dtype)
        rows -= self._origin.astype(rows.dtype)
        rows *= weights[:, None]
        self._products += rows.T @ rows
        self._sum += weights @ rows
        self._count += int(counts.sum())

    @property
    def mean(self) -> np.ndarray:
        """``(D,)`` float64."""
        return self._origin.astype("float32") + self._sum / self._count

    def covariance(self) -> np.ndarray:
        """``(D, D)`` float64, with divisor n - 1; computed in place: call it once, last."""
        for row, total in zip(self._products, self._sum, strict=True):
            row -= self._sum * (total / self._count)
            row /= self._count - 1
        return self._products


class Whitening:
    """Products of rows with P and P P.

    Args:
        covariance: ``(D, D)`` float64, symmetric; overwritten.
        gamma: added to every eigenvalue.
    """

    def __init__(self, covariance: np.ndarray, gamma: float) -> None:
        self._matrix = covariance.T  # column-major, as LAPACK works in place
        self._diagonal = covariance.diagonal().copy()
        self._trace = float(self._diagonal.sum())
        self._gamma = max(gamma, PRECISION * self._trace)

    def squared(self, rows: np.ndarray) -> np.ndarray:
        """``rows P P`` for rows ``(K, D)``: the solution of one linear system."""
        return self._solve(self._gamma, rows)

    def once(self, rows: np.ndarray) -> np.ndarray:
        """``rows P`` for rows ``(K, D)``, to five digits.

        The inverse root is a sum of shifted inverses, with nodes and weights of Hale, Higham and
        Trefethen (2008), "Computing A^alpha, log(A) and related matrix functions by contour
        integrals", method 3: the error is ``exp(-2 pi^2 n_nodes / (log(high / low) + 3))``.
        """
        low, high = self._gamma, self._gamma + self._trace  # bounds of the eigenvalues
        n_nodes = ceil(0.6 * (log(high / low) + 3))
        quarter = ellipkm1(low / high)
        nodes = (np.arange(n_nodes) + 0.5) * quarter / n_nodes
        sn, cn, dn, _ = ellipj(nodes, 1 - low / high)
        shifts = low * (sn / cn) ** 2
        weights = 2 * quarter * np.sqrt(low) / (pi * n_nodes) * dn / cn**2
        total = np.zeros(rows.shape)
        for shift, weight in zip(shifts, weights, strict=True):
            total += weight * self._solve(low + shift, rows)
        return total

    def _solve(self, shift: float, rows: np.ndarray) -> np.ndarray:
        """``rows (C + shift I)^-1`` by Cholesky, computed in the lower triangle of C.

        Raises:
            CandidateError: ``non_finite`` if ``C + shift I`` is not positive definite.
        """
        np.fill_diagonal(self._matrix, self._diagonal + shift)
        factor, failed = dpotrf(self._matrix, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise CandidateError("non_finite", "the covariance of the patches is not positive")
        solution, _ = dpotrs(factor, np.asarray(rows, "float64").T, lower=1)
        _restore_lower(factor)
        return solution.T


def _restore_lower(matrix: np.ndarray) -> None:
    """Copy the upper triangle of a square matrix over the lower one."""
    for start in range(0, len(matrix), RESTORED):
        stop = start + RESTORED
        block = matrix[start:stop, start:stop]
        block[...] = np.triu(block) + np.triu(block, 1).T
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
