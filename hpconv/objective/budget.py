"""What a trial may cost: time by images a second and in all, and memory as predicted."""

import sys
from collections.abc import Iterator
from math import inf, prod

from hpconv.config import Budget, ModelSettings
from hpconv.errors import CandidateError
from hpconv.learners.feature_matrix import KEPT_BYTES
from hpconv.model.layers import Filter, Shape
from hpconv.model.patches import PATCH_BYTES
from hpconv.model.pipeline import Pipeline

FLOAT, DOUBLE = 4, 8  # bytes
FIT_ROWS = 3000  # as much as so many images' features is what fitting to scaled features takes
IMAGES_TO_JUDGE = 150  # as the published system: a speed over fewer images says little


# of an objective without a budget
UNLIMITED = Budget(trial_seconds=inf, images_per_second=0, trial_memory_mb=sys.maxsize)


class Pace:
    """Watches how fast images pass through a pipeline."""

    def __init__(self, images_per_second: float) -> None:
        self._required = images_per_second
        self._images, self._seconds = 0, 0.0

    def tick(self, images: int, seconds: float) -> None:
        """Count a batch.

        Raises:
            CandidateError: ``too_slow`` when the images since the last judgement fell behind.
        """
        self._images += images
        self._seconds += seconds
        if self._images < IMAGES_TO_JUDGE:
            return
        pace = self._images / self._seconds
        if pace < self._required:
            reason = f"{pace:.1f} images a second, {self._required:g} are required"
            raise CandidateError("too_slow", reason)
        self._images, self._seconds = 0, 0.0


def check_memory(
    pipeline: Pipeline,
    n_images: int,
    model: ModelSettings,
    limit_mb: int,
    pairs: tuple[int, int] = (0, 0),
) -> None:
    """Refuse a pipeline that would need too much memory for n_images, before it takes any.

    Args:
        pairs: how many of them there are to train and to validate on, where examples are pairs.

    Raises:
        CandidateError: ``out_of_memory``.
    """
    megabytes = (predicted_bytes(pipeline, n_images, model) + _gram_bytes(*pairs)) / 2**20
    if megabytes > limit_mb:
        reason = f"{megabytes:.0f} MiB would be needed, {limit_mb} are allowed"
        raise CandidateError("out_of_memory", reason)


def predicted_bytes(pipeline: Pipeline, n_images: int, model: ModelSettings) -> int:
    """An estimate, from sizes alone, of the most memory that learning or classifying takes."""
    n_learn = min(model.n_unsupervised, n_images)
    learning = [
        FLOAT * (n_learn * prod(inputs) + model.batch_size * (prod(inputs) + prod(outputs)))
        + (_whitening_bytes(layer, inputs, model.n_patches) if isinstance(layer, Filter) else 0)
        for layer, inputs, outputs in _steps(pipeline)
    ]
    width = prod([shape for _, shape in pipeline.shapes()][-1])
    features = FLOAT * n_images * width
    classifying = features + min(features, KEPT_BYTES) + FLOAT * FIT_ROWS * width
    return max(*learning, classifying)


def _gram_bytes(n_train: int, n_validation: int) -> int:
    """Of the kernels of all comparisons, and of what the SVM makes of them."""
    return 2 * DOUBLE * n_train * (2 * n_train + n_validation)


def _steps(pipeline: Pipeline) -> Iterator[tuple[object, Shape, Shape]]:
    inputs = pipeline.image_shape
    for layer, outputs in pipeline.shapes():
        yield layer, inputs, outputs
        inputs = outputs


def _whitening_bytes(layer: Filter, inputs: Shape, n_patches: int) -> int:
    if layer.recipe.kind == "projections":
        return 0
    values = inputs[0] * layer.size**2
    patches = min(PATCH_BYTES, FLOAT * n_patches * values)
    # patches, and in double precision: flat, normalised and centred; covariance and eigenvectors
    return patches + 3 * patches * DOUBLE // FLOAT + 3 * DOUBLE * values**2
