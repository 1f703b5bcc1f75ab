"""Limits of a trial: minimum speed in images per second, and predicted memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from hpconv import kernels
from hpconv.config import ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.errors import CandidateError
from hpconv.features import learning
from hpconv.learners.feature_matrix import BLOCK_BYTES, KEPT_BYTES
from hpconv.learners.pair_kernels import BLOCK_BYTES as PAIR_BLOCK_BYTES
from hpconv.learners.pair_kernels import COMPARISONS
from hpconv.model.layers import Filter, Shape
from hpconv.model.pipeline import Pipeline

FLOAT, DOUBLE = 4, 8  # bytes
FIT_ROWS = 1500  # fitting needs about the memory of the features of this many images
BANK_COPIES = 3  # of a filterbank: as learned, and as packed for the kernels
PATCH_BLOCKS = 5  # the previous block, the extracted patches, and steps of normalisation
PAIR_BLOCKS = 5  # the previous block, features of both images, their comparison, a step of it
SVM_GRAMS = 5  # the weighted sum, a term of it, its copy in float64, and libsvm's cache
POSITION_BYTES = 64  # per drawn patch
# Python, scratch memory of the kernels, and freed arrays below 32 MiB, which malloc keeps
OVERHEAD = 48 * 2**20
MARGIN = 1.1  # measured peaks exceed the sum of the arrays by up to a tenth
IMAGES_TO_JUDGE = 150  # as in the published system; the speed of fewer images is not reliable

# budget without limits


class Pace:
    """Checks the speed of a pipeline, in images per second.

    Args:
        images_per_second: minimum speed.
    """

    def __init__(self, images_per_second: float) -> None:
        self._required = images_per_second
        self._images, self._seconds = 0, 0.0

    def tick(self, images: int, seconds: float) -> None:
        """Count a batch of images, computed in this many seconds.

        Raises:
            CandidateError: ``too_slow`` if the images since the last check, at least
                IMAGES_TO_JUDGE, were slower than required.
        """
        self._images += images
        self._seconds += seconds
        if self._images < IMAGES_TO_JUDGE:
            return
        speed = self._images / self._seconds
        if speed < self._required:
            reason = f"{speed:.1f} images per second, {self._required:g} are required"
            raise CandidateError("too_slow", reason)
        self._images, self._seconds = 0, 0.0


@dataclass(frozen=True)
class Counts:
    """Numbers of images and examples of a model selection.

    Attributes:
        image_shape: ``(C, H, W)``.
        images: number of training and validation images.
        train_images: number of distinct images in the training examples.
        train, validation: numbers of examples, which are images or pairs of images.
        pairs: whether examples are pairs of images.
    """

    image_shape: Shape
    images: int
    train_images: int
    train: int
    validation: int
    pairs: bool = False


def count(selection: Selection) -> Counts:
    """Count the images and examples of a model selection."""
    train, validation = len(selection.train.rows), len(selection.validation.rows)
    train_images = len(np.unique(selection.train.rows))
    n_images, *image_shape = selection.images.shape
    return Counts(tuple(image_shape), n_images, train_images, train, validation, selection.pairs)


def check_memory(pipeline: Pipeline, counts: Counts, model: ModelSettings, limit_mb: int) -> None:
    """Refuse a pipeline whose predicted memory is more than limit_mb MiB.

    Raises:
        CandidateError: ``out_of_memory``; the reason names the part of a trial that needs most.
    """
    parts = predict(pipeline, counts, model)
    largest = max(parts, key=parts.__getitem__)
    megabytes = parts[largest] / 2**20
    if megabytes > limit_mb:
        reason = f"{largest} would need {megabytes:.0f} MiB, {limit_mb} are allowed"
        raise CandidateError("out_of_memory", reason)


def predict(pipeline: Pipeline, counts: Counts, model: ModelSettings) -> dict[str, int]:
    """Predict the peak memory of each part of a trial in bytes, from shapes only.

    Features and maps are float32; whitening is computed in float64.
    """
    stages = list(_stages(pipeline))
    width = prod(stages[-1].outputs)
    batches = model.batch_size * max(stage.bytes_per_image for stage in stages)
    filters = sum(BANK_COPIES * FLOAT * prod(stage.filters) for stage in stages)
    features = OVERHEAD + filters + FLOAT * counts.images * width
    parts = {
        "learning": OVERHEAD + filters + _learning_bytes(stages, counts.train_images, model),
        "extraction": features + batches,
        "classification": features + _classifier_bytes(counts, width),
    }
    return {part: int(MARGIN * size) for part, size in parts.items()}


@dataclass(frozen=True)
class _StageSizes:
    """Shapes and memory of a stage for one image.

    Attributes:
        inputs, outputs: shapes.
        largest: maximum size of two arrays that exist at the same time, in values.
        filters: ``(K, C, s, s)``; zeros for a stage without a filterbank.
        whitened: whether the filterbank is learned from whitened patches.
    """

    inputs: Shape
    outputs: Shape
    largest: int
    filters: tuple[int, int, int, int]
    whitened: bool

    @property
    def bytes_per_image(self) -> int:
        """Peak while the stage is computed and its output is checked for non-finite values."""
        return FLOAT * self.largest + prod(self.outputs)


def _stages(pipeline: Pipeline) -> Iterator[_StageSizes]:
    inputs = pipeline.image_shape
    for stage in pipeline.stages:
        filters, whitened, shape = (0, 0, 0, 0), False, inputs
        arrays = [prod(inputs)]
        for layer in stage:
            if isinstance(layer, Filter):
                filters = (layer.n_filters, inputs[0], layer.size, layer.size)
                whitened = layer.recipe.kind != "projections"
            shape = layer.output_shape(shape)
            # C kernels pool filter outputs in cache: there is no array of them
            if not isinstance(layer, Filter) or kernels.backend() != "c":
                arrays.append(prod(shape))
        largest = max(map(sum, pairwise(arrays)))
        yield _StageSizes(inputs, shape, largest, filters, whitened)
        inputs = shape


def _learning_bytes(stages: Sequence[_StageSizes], n_images: int, model: ModelSettings) -> int:
    """Peak bytes of images, maps and patches while filterbanks are learned."""
    n_images = min(model.n_unsupervised, n_images)
    images = FLOAT * n_images * prod(stages[0].inputs)
    kept = most = batch = 0  # bytes: maps of all images, peak so far, maps of a batch
    for number, stage in enumerate(stages):
        maps = FLOAT * n_images * prod(stage.inputs)
        if stage.whitened and number and maps <= learning.KEPT_BYTES:
            most = max(most, kept + maps + batch)
            kept, batch = maps, 0
        # the maps of the previous batch are freed after the next one is computed
        last = FLOAT * model.batch_size * prod(stage.inputs) if stage.whitened else 0
        most = max(most, kept + batch + last + _filterbank_bytes(stage, model))
        batch = max(batch, model.batch_size * stage.bytes_per_image)
    return images + most


def _filterbank_bytes(stage: _StageSizes, model: ModelSettings) -> int:
    """Peak bytes for a filterbank: while covariances are summed, or linear systems solved."""
    n_filters, width = stage.filters[0], prod(stage.filters[1:])
    rows = DOUBLE * n_filters * width
    if not stage.whitened:
        return 2 * rows
    patches = min(FLOAT * model.n_patches * width, learning.BLOCK_BYTES)
    moments = (
        (DOUBLE + FLOAT) * width**2 + PATCH_BLOCKS * patches + POSITION_BYTES * model.n_patches
    )
    return max(moments, DOUBLE * width**2 + 4 * rows) + rows // 2


def _classifier_bytes(counts: Counts, width: int) -> int:
    """Bytes for fitting: a copy of the training features, or the kernels of pairs."""
    if counts.pairs:
        return _pair_bytes(counts, width)
    scaled = FLOAT * counts.train * width
    return min(scaled, KEPT_BYTES) + 3 * BLOCK_BYTES + FLOAT * FIT_ROWS * width


def _pair_bytes(counts: Counts, width: int) -> int:
    """Bytes for kernels of pairs: while features are compared, or an SVM is fitted."""
    n = counts.train
    compared = FLOAT * n * width
    block = min(PAIR_BLOCK_BYTES, compared)
    images = min(2 * block, FLOAT * counts.images * width)
    comparing = compared + images + PAIR_BLOCKS * block
    grams = len(COMPARISONS) * FLOAT * n * (n + counts.validation)
    return grams + max(comparing, SVM_GRAMS * FLOAT * n**2)
