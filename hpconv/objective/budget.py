"""What a trial may cost: time by images a second and in all, and memory as predicted."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, prod

import numpy as np

from hpconv import kernels
from hpconv.config import Budget, ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.errors import CandidateError
from hpconv.features import learning
from hpconv.learners.feature_matrix import BLOCK_BYTES, KEPT_BYTES
from hpconv.learners.pair_kernels import BLOCK_BYTES as PAIR_BLOCK_BYTES
from hpconv.model.layers import Filter, Shape
from hpconv.model.pipeline import Pipeline

FLOAT, DOUBLE = 4, 8  # bytes
FIT_ROWS = 1500  # fitting needs about the memory of the features of this many images
BANK_COPIES = 3  # a filterbank is kept as learned and as packed for the kernels
PATCH_BLOCKS = 5  # the block before, the patches that are cut, and steps of their normalisation
POSITION_BYTES = 64  # of a drawn patch
OVERHEAD = 20 * 2**20  # of Python, the allocator, and the kernels' scratch memory
IMAGES_TO_JUDGE = 150  # as in the published system: fewer images do not show the speed

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


@dataclass(frozen=True)
class Counts:
    """Numbers of a model selection.

    Attributes:
        images: of training and validation together.
        train_images: different images among the training examples.
        train, validation: examples, which are images or pairs of images.
        pairs: whether they are pairs.
    """

    images: int
    train_images: int
    train: int
    validation: int
    pairs: bool = False


def count(selection: Selection) -> Counts:
    """The numbers of a data file's model selection."""
    train, validation = len(selection.train.rows), len(selection.validation.rows)
    train_images = len(np.unique(selection.train.rows))
    return Counts(len(selection.images), train_images, train, validation, selection.pairs)


def check_memory(pipeline: Pipeline, counts: Counts, model: ModelSettings, limit_mb: int) -> None:
    """Refuse a pipeline that would need too much memory, before it takes any.

    Raises:
        CandidateError: ``out_of_memory``, with the part of a trial that needs most.
    """
    parts = predict(pipeline, counts, model)
    largest = max(parts, key=parts.__getitem__)
    megabytes = parts[largest] / 2**20
    if megabytes > limit_mb:
        reason = f"{largest} would need {megabytes:.0f} MiB, {limit_mb} are allowed"
        raise CandidateError("out_of_memory", reason)


def predict(pipeline: Pipeline, counts: Counts, model: ModelSettings) -> dict[str, int]:
    """Most bytes that each part of a trial takes, from sizes alone.

    Arrays of features and maps are float32, whitening is solved in float64.
    """
    stages = list(_stages(pipeline))
    width = prod(stages[-1].outputs)
    batches = model.batch_size * max(stage.bytes_per_image for stage in stages)
    filters = sum(BANK_COPIES * FLOAT * prod(stage.filters) for stage in stages)
    features = OVERHEAD + filters + FLOAT * counts.images * width
    return {
        "learning": OVERHEAD + filters + _learning_bytes(stages, counts.train_images, model),
        "extraction": features + batches,
        "classification": features + _classifier_bytes(counts, width),
    }


@dataclass(frozen=True)
class _StageSizes:
    """Shapes of a stage for one image.

    Attributes:
        inputs, outputs: of the stage.
        largest: of two arrays that exist together while it is computed, in values.
        filters: ``(K, C, s, s)``; empty with K = 0 for a stage without a filterbank.
    """

    inputs: Shape
    outputs: Shape
    largest: int
    filters: tuple[int, int, int, int]
    whitened: bool

    @property
    def bytes_per_image(self) -> int:
        """While the stage is computed, or its output is searched for non-finite values."""
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
            # kernels in C pool the outputs of filters while they are in cache
            if not isinstance(layer, Filter) or kernels.backend() != "c":
                arrays.append(prod(shape))
        largest = max(map(sum, pairwise(arrays)))
        yield _StageSizes(inputs, shape, largest, filters, whitened)
        inputs = shape


def _learning_bytes(stages: Sequence[_StageSizes], n_images: int, model: ModelSettings) -> int:
    """Bytes for unlabelled images, maps and patches, at the stage that needs most."""
    n_images = min(model.n_unsupervised, n_images)
    images = FLOAT * n_images * prod(stages[0].inputs)
    kept = most = batch = 0  # maps of all images; the most bytes so far; maps of a batch
    for number, stage in enumerate(stages):
        maps = FLOAT * n_images * prod(stage.inputs)
        if stage.whitened and number and maps <= learning.KEPT_BYTES:
            most = max(most, kept + maps + batch)
            kept, batch = maps, 0
        # the maps of the last batch are still there while the next one is computed
        last = FLOAT * model.batch_size * prod(stage.inputs) if stage.whitened else 0
        most = max(most, kept + batch + last + _filterbank_bytes(stage, model))
        batch = max(batch, model.batch_size * stage.bytes_per_image)
    return images + most


def _filterbank_bytes(stage: _StageSizes, model: ModelSettings) -> int:
    """Bytes for learning a filterbank: products of patches, or the linear systems after them."""
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
    """Bytes for fitting: training features once more, or kernels of pairs."""
    if counts.pairs:
        blocks = 6 * PAIR_BLOCK_BYTES
        compared = 2 * FLOAT * counts.train * width
        grams = 2 * DOUBLE * counts.train * (2 * counts.train + counts.validation)
        return compared + blocks + grams
    scaled = FLOAT * counts.train * width
    return min(scaled, KEPT_BYTES) + 3 * BLOCK_BYTES + FLOAT * FIT_ROWS * width
