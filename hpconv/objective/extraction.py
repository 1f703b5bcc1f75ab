"""Extraction of features part by part, which ends at features that do not vary."""

import numpy as np

from hpconv.errors import CandidateError
from hpconv.features.extractor import Extractor, Images, Tick

# On CIFAR-10, all random candidates with constant features of this many images had constant
# features of all 5,000; 3 % of those constant over 150 images did not (docs/benchmarks.md).
IMAGES_TO_COMPARE = 1000


class Features:
    """Features of images; each image is extracted once.

    Attributes:
        values: ``(N, *feature_shape)``, float32; undefined for images not extracted so far.
    """

    def __init__(self, extractor: Extractor, images: Images, tick: Tick) -> None:
        self.values = np.empty((len(images), *extractor.feature_shape), "float32")
        self._extractor, self._images, self._tick = extractor, images, tick
        self._missing = np.ones(len(images), bool)
        self._check = ConstantCheck()

    def extract(self, numbers: np.ndarray) -> None:
        """Extract the images with these numbers, rising, that are missing.

        Raises:
            CandidateError: ``non_finite``; ``homogeneous`` as ``ConstantCheck``.
            Exceptions of tick are passed on.
        """
        new = numbers[self._missing[numbers]]
        self._extractor.fill(self.values, self._images, new, tick=self._tick, check=self._check)
        self._missing[new] = False


class ConstantCheck:
    """Refuses features that are the same for all of the first images.

    ``Scaler.fit`` would refuse them too, but only after the extraction from all images.
    """

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._n_equal = 0
        self._vary = False

    def __call__(self, batch: np.ndarray) -> None:
        """Add the features ``(n, ...)`` of the next images.

        Raises:
            CandidateError: ``homogeneous``, if there are at least IMAGES_TO_COMPARE images.
        """
        if self._vary:
            return
        if self._first is None:
            self._first = batch[0].copy()
        self._vary = not (batch == self._first).all()
        self._n_equal += len(batch)
        if self._n_equal >= IMAGES_TO_COMPARE and not self._vary:
            reason = f"the first {self._n_equal} images have the same features"
            raise CandidateError("homogeneous", reason)
