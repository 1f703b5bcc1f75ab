"""Classifiers over features, and what brings features to one scale."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from hpconv.learners.ensemble_member import Member
from hpconv.learners.feature_matrix import KEPT_BYTES
from hpconv.learners.linear import FeatureClassifier
from hpconv.learners.pairs import PairClassifier
from hpconv.model.pipeline import ClassifierSettings

Classifier = FeatureClassifier | PairClassifier


def classifier(
    features: np.ndarray | h5py.Dataset,
    rows: np.ndarray,
    settings: ClassifierSettings,
    pairs: bool,
    history: Sequence[Member] = (),
    chosen: dict[str, Any] | None = None,
    kept_bytes: int = KEPT_BYTES,
) -> Classifier:
    """The classifier for images, or for pairs of images.

    Args:
        features: of images, ``(n, ...)``.
        rows: of those images in the data file, rising.
        history: the members of an ensemble that it continues.
        chosen: what an earlier fit has chosen on validation examples, for a fit without any.
        kept_bytes: of images' scaled training features at most; more are read again and again.
    """
    if pairs:
        return PairClassifier(features, rows, settings, history, chosen)
    return FeatureClassifier(features, rows, settings, history, kept_bytes)
