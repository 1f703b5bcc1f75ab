"""Comparisons of two images' features, and linear kernels over them, computed in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from hpconv.learners.scaling import Scaler
from hpconv.model.pipeline import ClassifierSettings

BLOCK_BYTES = 2**25  # comparison features computed at a time

# elementwise comparisons of two feature vectors; all are symmetric
COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mult": np.multiply,
    "absdiff": lambda x, y: np.abs(x - y),
    "sqrtabsdiff": lambda x, y: np.sqrt(np.abs(x - y)),
    "sqdiff": lambda x, y: np.square(x - y),
}


@dataclass(frozen=True)
class PairKernel:
    """Linear kernel between pairs over one comparison, scaled by statistics of training pairs.

    It is divided by the mean squared norm of a scaled training pair, so that kernels of different
    comparisons can be added. Pairs ``(n, 2)`` are rows of the features.

    Attributes:
        features: of images, ``(n_images, ...)``.
        comparison: a key of ``COMPARISONS``.
        scaler: of the comparison's D features.
        mean_square: mean squared norm of a scaled training pair.
    """

    features: np.ndarray | h5py.Dataset
    comparison: str
    scaler: Scaler
    mean_square: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray | h5py.Dataset,
        comparison: str,
        pairs: np.ndarray,
        settings: ClassifierSettings,
    ) -> "PairKernel":
        """Estimate the scaling from training pairs.

        Raises:
            CandidateError: when the comparisons cannot be scaled, as ``Scaler.fit``.
        """
        compared = _concatenate(_blocks(features, pairs, comparison), len(pairs), _width(features))
        scaler = Scaler.fit(compared, settings)
        blocks = np.array_split(compared, -(-compared.nbytes // BLOCK_BYTES))
        total = sum(float(np.square(scaler(block)).sum()) for block in blocks)
        return cls(features, comparison, scaler, total / len(pairs))

    def gram(self, pairs: np.ndarray) -> np.ndarray:
        """The Gram matrix ``(n, n)`` of pairs, float32."""
        scaled = self._scaled(pairs)
        return scaled @ scaled.T / np.float32(self.mean_square)

    def cross_gram(self, pairs: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Kernel values ``(n, m)`` between pairs and others, float32."""
        scaled = self._scaled(others)
        products = [block @ scaled.T for block in self._scaled_blocks(pairs)]
        return np.concatenate(products) / np.float32(self.mean_square)

    def primal_weights(self, pairs: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Primal weights ``(D,)`` of an SVM with dual coefficients ``(n,)`` of pairs."""
        blocks = self._scaled_blocks(pairs)
        total = np.zeros(_width(self.features))
        start = 0
        for block in blocks:
            total += coefficients[start : start + len(block)] @ block
            start += len(block)
        return total / self.mean_square

    def project(self, pairs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Inner products ``(n,)`` of scaled pairs with primal weights."""
        return np.concatenate([block @ weights for block in self._scaled_blocks(pairs)])

    def _scaled(self, pairs: np.ndarray) -> np.ndarray:
        return _concatenate(self._scaled_blocks(pairs), len(pairs), _width(self.features))

    def _scaled_blocks(self, pairs: np.ndarray) -> Iterator[np.ndarray]:
        return map(self.scaler, _blocks(self.features, pairs, self.comparison))


def _blocks(
    features: np.ndarray | h5py.Dataset, pairs: np.ndarray, comparison: str
) -> Iterator[np.ndarray]:
    """Comparison features ``(block, D)`` of pairs; each image is read once for a block."""
    step = max(1, BLOCK_BYTES // (4 * _width(features)))
    for start in range(0, len(pairs), step):
        images, inverse = np.unique(pairs[start : start + step], return_inverse=True)
        read = features[images].reshape(len(images), -1).astype("float32", copy=False)
        left, right = inverse.reshape(-1, 2).T
        yield COMPARISONS[comparison](read[left], read[right])


def _concatenate(blocks: Iterator[np.ndarray], n_pairs: int, width: int) -> np.ndarray:
    """Blocks as one array ``(n, D)`` float32, without a second copy of it in memory."""
    whole = np.empty((n_pairs, width), "float32")
    start = 0
    for block in blocks:
        whole[start : start + len(block)] = block
        start += len(block)
    return whole


def _width(features: np.ndarray | h5py.Dataset) -> int:
    return int(np.prod(features.shape[1:]))
