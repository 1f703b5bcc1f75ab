"""Classifiers over extracted features."""

from collections.abc import Sequence

import h5py
import numpy as np

from hpconv.learners.ensemble_member import Member
from hpconv.learners.feature_matrix import KEPT_BYTES
from hpconv.learners.linear import FeatureClassifier
from hpconv.learners.pairs import PairClassifier
from hpconv.model.pipeline import ClassifierSettings
from hpconv.trials import PairChoice

Classifier = FeatureClassifier | PairClassifier


def classifier(
    features: np.ndarray | h5py.Dataset,
    rows: np.ndarray,
    settings: ClassifierSettings,
    *,
    pairs: bool,
    members: Sequence[Member] = (),
    chosen: PairChoice | None = None,
    kept_bytes: int = KEPT_BYTES,
) -> Classifier:
    """Create the classifier for images, or for pairs of images.

    Args:
        features: of images, ``(n, ...)``, or of several views of images, as ``FeatureClassifier``.
        rows: rows ``(n,)`` of these images in the data file, ascending.
        pairs: whether examples are pairs of images.
        members: the members of the ensemble that the classifier extends.
        chosen: settings that an earlier fit chose on validation pairs; they are used when
            fitting without validation pairs.
        kept_bytes: memory limit for the scaled training features of images; larger ones are
            read again for every pass.
    """
    if pairs:
        return PairClassifier(features, rows, settings, members=members, chosen=chosen)
    return FeatureClassifier(features, rows, settings, members=members, kept_bytes=kept_bytes)
