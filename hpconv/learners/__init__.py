"""Classifiers over features, and what brings features to one scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpconv.candidate import ClassifierSettings
from hpconv.learners.linear import FeatureClassifier
from hpconv.learners.members import Member
from hpconv.learners.pairs import PairClassifier

Classifier = FeatureClassifier | PairClassifier


def classifier(
    features: np.ndarray,
    rows: np.ndarray,
    settings: ClassifierSettings,
    pairs: bool,
    history: Sequence[Member] = (),
    chosen: dict[str, Any] | None = None,
) -> Classifier:
    """The classifier for images, or for pairs of images.

    Args:
        features: of images, ``(n, ...)``.
        rows: of those images in the data file, rising.
        history: the members of an ensemble that it continues.
        chosen: what an earlier fit has chosen on validation examples, for a fit without any.
    """
    if pairs:
        return PairClassifier(features, rows, settings, history, chosen)
    return FeatureClassifier(features, rows, settings, history)
