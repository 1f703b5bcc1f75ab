"""Rows of features as a matrix with bounded memory use."""

from collections.abc import Callable, Iterator

import h5py
import numpy as np

BLOCK_BYTES = 2**23  # float32 features processed at a time; small enough to stay in cache
KEPT_BYTES = 2**32  # larger matrices are read again for every product


class FeatureRows:
    """Some rows of features ``(n, ...)`` as a float32 matrix X ``(N, D)``, scaled when read.

    A matrix of at most kept_bytes stays in memory after its first product; a larger one is read
    again in blocks.

    Args:
        features: array or HDF5 dataset ``(n, ...)``.
        indices: rows of features; None for all.
        scale: scales a block ``(n, D)`` in place.
        kept_bytes: memory limit for the matrix.

    Attributes:
        shape: ``(N, D)``.
    """

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        indices: np.ndarray | None = None,
        scale: Callable[[np.ndarray], None] | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._features, self._scale = features, scale
        self._indices = np.arange(len(features)) if indices is None else indices
        self.shape = (len(self._indices), int(np.prod(features.shape[1:])))
        self._fits = 4 * self.shape[0] * self.shape[1] <= kept_bytes
        self._kept: np.ndarray | None = None

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Consecutive blocks and their position in the matrix; callers may modify a block."""
        step = max(1, BLOCK_BYTES // (4 * self.shape[1]))
        for start in range(0, self.shape[0], step):
            part = slice(start, min(start + step, self.shape[0]))
            yield part, self._take(self._indices[part])

    def first(self) -> np.ndarray:
        """The first row, ``(D,)``."""
        return self._take(self._indices[:1])[0]

    def sample(self, count: int) -> np.ndarray:
        """At most count evenly spaced rows."""
        step = -(-self.shape[0] // count)
        return self._take(self._indices[::step])

    def matmul(self, weights: np.ndarray) -> np.ndarray:
        """The product ``weights X'`` ``(K, N)`` for weights ``(K, D)``."""
        if (matrix := self._matrix()) is not None:
            return np.ascontiguousarray((matrix @ weights.T).T)  # faster than weights @ matrix.T
        product = np.empty((len(weights), self.shape[0]), "float32")
        for part, block in self.blocks():
            product[:, part] = weights @ block.T
        return product

    def rmatmul(self, slopes: np.ndarray) -> np.ndarray:
        """The product ``slopes X`` ``(K, D)`` for slopes ``(K, N)``."""
        if (matrix := self._matrix()) is not None:
            return slopes @ matrix
        product = np.zeros((len(slopes), self.shape[1]), "float32")
        for part, block in self.blocks():
            product += slopes[:, part] @ block
        return product

    def _take(self, indices: np.ndarray) -> np.ndarray:
        """Scaled rows of features, as a new array."""
        block = _read(self._features, indices).reshape(len(indices), self.shape[1])
        block = block.astype("float32", copy=False)
        if self._scale is not None:
            self._scale(block)
        return block

    def _matrix(self) -> np.ndarray | None:
        if self._fits and self._kept is None:
            self._kept = np.empty(self.shape, "float32")
            for part, block in self.blocks():
                self._kept[part] = block
        return self._kept


def _read(features: np.ndarray | h5py.Dataset, indices: np.ndarray) -> np.ndarray:
    """A copy of rows; from a file, the whole range is read where most of it is needed."""
    if isinstance(features, np.ndarray):
        return features[indices]
    low, high = indices.min(), indices.max() + 1
    if high - low <= 2 * len(indices):
        return features[low:high][indices - low]
    ascending, order = np.unique(indices, return_inverse=True)
    return features[ascending][order]
