"""Compare the outputs of an exported file with those of extractor and classifier."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpconv.errors import UserError
from hpconv.export.winner import Winner
from hpconv.features.extractor import to_float

MAX_DIFFERENCE = 1e-3  # of features, relative to the largest of them
MIN_AGREEMENT = 0.99  # share of equal labels; nearly equal scores may change their order

Outputs = dict[str, np.ndarray]
Model = Callable[[np.ndarray], Outputs]  # of float32 images (N, C, H, W) in [0, 1]


@dataclass(frozen=True)
class Differences:
    """Differences between two sets of outputs.

    Attributes:
        n_images: number of images.
        features, scores: largest difference, relative to the largest absolute value.
        agreeing: share of equal labels; it and scores are None without a classifier.
    """

    n_images: int
    features: float
    scores: float | None
    agreeing: float | None

    def __str__(self) -> str:
        text = f"on {self.n_images} images, features differ by {self.features:.1e} of the largest"
        if self.scores is None:
            return text
        return f"{text}, scores by {self.scores:.1e}; {self.agreeing:.0%} of the labels are equal"


def compare(winner: Winner, model: Model) -> Differences:
    """Compare the outputs for the winner's images.

    Raises:
        UserError: when features differ by more than MAX_DIFFERENCE, or the share of equal labels
            is below MIN_AGREEMENT.
    """
    images = to_float(winner.images)
    starts = range(0, len(images), 10)
    batches = [model(images[start : start + 10]) for start in starts]
    actual = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    found = _differences(actual, expected(winner))
    if not found.features <= MAX_DIFFERENCE:
        raise UserError(
            f"the exported features differ by {found.features:.1e} of the largest value, at most "
            f"{MAX_DIFFERENCE:g} is allowed, so no file is kept: use --format npz, or report this "
            "as a bug"
        )
    if found.agreeing is not None and found.agreeing < MIN_AGREEMENT:
        raise UserError(
            f"only {found.agreeing:.0%} of the exported labels are correct, so no file is kept: "
            "use --format npz, or report this as a bug"
        )
    return found


def expected(winner: Winner) -> Outputs:
    """``features``, ``scores`` and ``label`` of the winner's images, computed by this package."""
    features = winner.extractor.transform(winner.images)
    outputs = {"features": features}
    if winner.linear is None:
        return outputs
    scores = winner.linear.scores(features)
    return outputs | {"scores": scores, "label": winner.linear.labels[scores.argmax(axis=1)]}


def _differences(actual: Outputs, ours: Outputs) -> Differences:
    features = _relative(actual["features"], ours["features"])
    if "scores" not in ours:
        return Differences(len(ours["features"]), features, None, None)
    agreeing = float(np.mean(actual["label"] == ours["label"]))
    scores = _relative(actual["scores"], ours["scores"])
    return Differences(len(ours["features"]), features, scores, agreeing)


def _relative(actual: np.ndarray, ours: np.ndarray) -> float:
    return float(np.abs(actual - ours).max() / np.abs(ours).max())
