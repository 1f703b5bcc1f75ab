"""scikit-learn estimators: winners, and filterbanks that are learned from given images.

Images are arrays ``(n, H, W)``, ``(n, C, H, W)`` or ``(n, H, W, C)`` of squares with one or three
channels, uint8 or floats in [0, 1]. scikit-learn's own checks are for tables ``(n, D)``; the tags
say that these are not taken.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from hpconv.config import resolve
from hpconv.datasets import arrays
from hpconv.errors import CandidateError, UserError
from hpconv.export import winner
from hpconv.export.decision import Decision
from hpconv.features.extractor import Extractor
from hpconv.features.user_images import from_assignment
from hpconv.model.space import with_added_seed


class _ImageEstimator(BaseEstimator):
    """An estimator of images instead of tables."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags


class _Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _ImageEstimator):
    """A transformer from images to the features of ``extractor_``."""

    extractor_: Extractor

    def transform(self, X: Any) -> np.ndarray:
        """Features ``(n, D)`` of images, float32."""
        check_is_fitted(self)
        images = _images(X)
        images = arrays.with_channels(images, self.extractor_.pipeline.image_shape[0])
        extractor = self.extractor_.for_image_size(images.shape[-1])
        return extractor.transform(images).reshape(len(images), -1)

    @property
    def _n_features_out(self) -> int:  # read by get_feature_names_out
        return int(np.prod(self.extractor_.feature_shape))


class _Winner(_ImageEstimator):
    """A winner of a finished experiment; it is fitted, as scikit-learn's ``FrozenEstimator``.

    Args:
        folder: ``results/<experiment>/winners/<rank>``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a winner.

        Raises:
            UserError: when it cannot be read.
        """
        return cls(folder).fit()

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Load the winner, unless it is loaded; the arguments are ignored."""
        if not hasattr(self, "winner_"):
            self.winner_ = winner.load(Path(self.folder))
        return self

    def __sklearn_clone__(self) -> Self:
        return self


class WinnerFeatures(_Winner, _Features):
    """Features of a winner, as a transformer."""

    @property
    def extractor_(self) -> Extractor:  # type: ignore[override]  # with the winner, not set
        """The winner's extractor."""
        return self.winner_.extractor


class WinnerClassifier(ClassifierMixin, _Winner):
    """A winner with the classifier of its final evaluation.

    Attributes:
        classes_: class names.
    """

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Load the winner, unless it is loaded; the arguments are ignored.

        Raises:
            UserError: when examples are pairs of images, which have no such classifier.
        """
        super().fit()
        self._decision = Decision.of([self.winner_])
        names = np.array(self._decision.classes)
        self.classes_ = names[self._decision.labels]
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores ``(n, K)`` of images; of two classes ``(n,)``, positive for the second."""
        check_is_fitted(self)
        scores = np.concatenate([*self._decision.scores(_images(X))])
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Class names ``(n,)`` of images."""
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[chosen]


class FilterbankFeatures(_Features):
    """Features of a pipeline whose filters are learned from the images of ``fit``.

    Args:
        assignment: hyperparameters by label, as in ``hpconv best --json``.
        model: keys of section ``model`` of a configuration that differ from the defaults.
        random_state: added to the seeds of the filters in assignment; None adds nothing.
    """

    def __init__(
        self,
        assignment: Mapping[str, float],
        *,
        model: Mapping[str, Any] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.assignment = assignment
        self.model = model
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the filters from images; y is ignored.

        Raises:
            ValueError: when the images, the assignment or the model are invalid.
        """
        seed = 0 if self.random_state is None else self.random_state
        assignment = with_added_seed(dict(self.assignment), seed)
        try:
            settings = resolve({"experiment": "any", "model": dict(self.model or {})}).model
            self.extractor_ = from_assignment(assignment, _images(X), settings)
        except (UserError, CandidateError) as error:
            raise ValueError(str(error)) from error
        return self


def _images(X: Any) -> np.ndarray:
    """Images ``(n, C, H, W)``, uint8 or float32.

    Raises:
        ValueError: when X is something else.
    """
    try:
        return arrays.as_images(np.asarray(X), "X")
    except UserError as error:
        raise ValueError(str(error)) from error
