"""Rows of features as a matrix that never needs more memory than it is given."""

from collections.abc import Callable, Iterator

import h5py
import numpy as np

BLOCK_BYTES = 2**23  # of float32 features that are handled at a time: they stay in a cache
KEPT_BYTES = 2**32  # rows that take more are read anew whenever they are needed


class FeatureRows:
    """Some rows of features ``(n, ...)`` as a float32 matrix ``(N, D)``, scaled on the way.

    What fits kept_bytes is kept after it was first read; the rest is read again, in blocks.

    Args:
        chosen: numbers of the rows; None for all.
        scale: changes a block ``(n, D)`` in place.
    """

    def __init__(
        self,
        features: np.ndarray | h5py.Dataset,
        chosen: np.ndarray | None = None,
        scale: Callable[[np.ndarray], None] | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._features, self._scale = features, scale
        self._chosen = np.arange(len(features)) if chosen is None else chosen
        self.shape = (len(self._chosen), int(np.prod(features.shape[1:])))
        self._fits = 4 * self.shape[0] * self.shape[1] <= kept_bytes
        self._kept: np.ndarray | None = None

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Consecutive rows, and where they are in the matrix; a block may be changed."""
        step = max(1, BLOCK_BYTES // (4 * self.shape[1]))
        for start in range(0, self.shape[0], step):
            part = slice(start, min(start + step, self.shape[0]))
            yield part, self.take(self._chosen[part])

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Rows by their numbers in the features, scaled: a new array."""
        block = _read(self._features, numbers).reshape(len(numbers), self.shape[1])
        block = block.astype("float32", copy=False)
        if self._scale is not None:
            self._scale(block)
        return block

    def first(self) -> np.ndarray:
        """The first row, ``(D,)``."""
        return self.take(self._chosen[:1])[0]

    def sample(self, count: int) -> np.ndarray:
        """At most count rows, evenly spread."""
        step = -(-self.shape[0] // count)
        return self.take(self._chosen[::step])

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Products ``(K, N)`` of all rows with weights ``(K, D)``."""
        if (matrix := self._matrix()) is not None:
            return weights @ matrix.T
        scores = np.empty((len(weights), self.shape[0]), "float32")
        for part, block in self.blocks():
            scores[:, part] = weights @ block.T
        return scores

    def sums(self, slopes: np.ndarray) -> np.ndarray:
        """Sums ``(K, D)`` of all rows, weighted by slopes ``(K, N)``."""
        if (matrix := self._matrix()) is not None:
            return slopes @ matrix
        sums = np.zeros((len(slopes), self.shape[1]), "float32")
        for part, block in self.blocks():
            sums += slopes[:, part] @ block
        return sums

    def _matrix(self) -> np.ndarray | None:
        if self._fits and self._kept is None:
            self._kept = np.empty(self.shape, "float32")
            for part, block in self.blocks():
                self._kept[part] = block
        return self._kept


def _read(features: np.ndarray | h5py.Dataset, numbers: np.ndarray) -> np.ndarray:
    """A copy; of a file's rows, the whole range is read where most of it is wanted."""
    if isinstance(features, np.ndarray):
        return features[numbers]
    low, high = numbers.min(), numbers.max() + 1
    if high - low <= 2 * len(numbers):
        return features[low:high][numbers - low]
    rising, order = np.unique(numbers, return_inverse=True)
    return features[rising][order]
