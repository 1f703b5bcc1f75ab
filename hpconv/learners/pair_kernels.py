"""Comparisons of two images' features, and linear kernels over them, made in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from hpconv.learners.scaling import Scaler
from hpconv.model.pipeline import ClassifierSettings

BLOCK_BYTES = 2**25  # of comparison features that are made at a time

# of one feature vector with another, element by element; all are symmetric
COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mult": np.multiply,
    "absdiff": lambda x, y: np.abs(x - y),
    "sqrtabsdiff": lambda x, y: np.sqrt(np.abs(x - y)),
    "sqdiff": lambda x, y: np.square(x - y),
}


@dataclass(frozen=True)
class PairKernel:
    """Inner products between pairs, over one comparison scaled as the training pairs want it.

    They are divided by ``unit``, the mean squared length of a scaled training pair, so that
    kernels of different comparisons can be added. Pairs ``(n, 2)`` are row numbers of features.
    """

    features: np.ndarray | h5py.Dataset
    comparison: str
    scaler: Scaler
    unit: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray | h5py.Dataset,
        comparison: str,
        pairs: np.ndarray,
        settings: ClassifierSettings,
    ) -> "PairKernel":
        """Estimate scaling and unit from training pairs.

        Raises:
            CandidateError: as ``Scaler.fit`` does, of comparisons that never differ or overflow.
        """
        compared = _joined(_blocks(features, pairs, comparison), len(pairs), _width(features))
        scaler = Scaler.fit(compared, settings)
        blocks = np.array_split(compared, -(-compared.nbytes // BLOCK_BYTES))
        unit = sum(float(np.square(scaler(block)).sum()) for block in blocks) / len(pairs)
        return cls(features, comparison, scaler, unit)

    def within(self, pairs: np.ndarray) -> np.ndarray:
        """The Gram matrix ``(n, n)`` of pairs, float32."""
        scaled = self._scaled(pairs)
        return scaled @ scaled.T / np.float32(self.unit)

    def between(self, pairs: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The Gram matrix ``(n, m)`` of pairs and others, float32."""
        scaled = self._scaled(others)
        products = [block @ scaled.T for block in self._scaled_blocks(pairs)]
        return np.concatenate(products) / np.float32(self.unit)

    def direction(self, pairs: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """The weighted sum ``(D,)`` of scaled pairs: what a linear SVM needs of its support."""
        blocks = self._scaled_blocks(pairs)
        total = np.zeros(_width(self.features))
        start = 0
        for block in blocks:
            total += coefficients[start : start + len(block)] @ block
            start += len(block)
        return total / self.unit

    def along(self, direction: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Scaled pairs' inner products ``(n,)`` with a direction."""
        return np.concatenate([block @ direction for block in self._scaled_blocks(pairs)])

    def _scaled(self, pairs: np.ndarray) -> np.ndarray:
        return _joined(self._scaled_blocks(pairs), len(pairs), _width(self.features))

    def _scaled_blocks(self, pairs: np.ndarray) -> Iterator[np.ndarray]:
        return map(self.scaler, _blocks(self.features, pairs, self.comparison))


def _blocks(
    features: np.ndarray | h5py.Dataset, pairs: np.ndarray, comparison: str
) -> Iterator[np.ndarray]:
    """Comparison features ``(block, D)`` of pairs; a block's images are read once."""
    step = max(1, BLOCK_BYTES // (4 * _width(features)))
    for start in range(0, len(pairs), step):
        images, numbers = np.unique(pairs[start : start + step], return_inverse=True)
        read = features[images].reshape(len(images), -1).astype("float32", copy=False)
        left, right = numbers.reshape(-1, 2).T
        yield COMPARISONS[comparison](read[left], read[right])


def _joined(blocks: Iterator[np.ndarray], n_pairs: int, width: int) -> np.ndarray:
    """Blocks as one array ``(n, D)`` float32, without a second copy of it."""
    whole = np.empty((n_pairs, width), "float32")
    start = 0
    for block in blocks:
        whole[start : start + len(block)] = block
        start += len(block)
    return whole


def _width(features: np.ndarray | h5py.Dataset) -> int:
    return int(np.prod(features.shape[1:]))
