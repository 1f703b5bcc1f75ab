"""A feature extractor: a pipeline with learned filterbanks, compiled stage by stage."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hpconv.datasets.image_rows import ImageRows
from hpconv.engines import Function, compile_stage
from hpconv.errors import CandidateError
from hpconv.model.pipeline import Pipeline, for_image_size

Images = np.ndarray | ImageRows
Tick = Callable[[int, float], None]  # receives a batch's number of images and its seconds
Check = Callable[[np.ndarray], None]  # receives the features of a batch


def no_tick(images: int, seconds: float) -> None:
    """Ignore the times of batches."""


def no_check(features: np.ndarray) -> None:
    """Accept all features."""


class Extractor:
    """A pipeline with learned filterbanks, compiled stage by stage.

    Attributes:
        pipeline: the pipeline, filterbanks included.
        feature_shape: shape of the features of one image.
        engine: cpu, gpu or auto.
    """

    def __init__(
        self, pipeline: Pipeline, functions: Sequence[Function], batch_size: int, engine: str
    ) -> None:
        self.pipeline = pipeline
        self.feature_shape = [shape for _, shape in pipeline.shapes()][-1]
        self._functions = functions
        self._batch_size = batch_size
        self.engine = engine

    def __reduce__(self) -> tuple[Any, ...]:  # compiled functions cannot be pickled
        return compiled, (self.pipeline, self._batch_size, self.engine)

    def for_image_size(self, size: int) -> "Extractor":
        """The same extractor for square images of this size in pixels."""
        if size == self.pipeline.image_shape[-1]:
            return self
        pipeline = for_image_size(self.pipeline, size)
        resize = compile_stage(pipeline.stages[0], pipeline.image_shape[0], self.engine)
        functions = [resize, *self._functions[1:]]
        return Extractor(pipeline, functions, self._batch_size, self.engine)

    def batches(self, images: Images, tick: Tick = no_tick) -> Iterator[np.ndarray]:
        """Features of images ``(N, C, H, W)``, uint8 or float in [0, 1], batch by batch.

        Raises:
            CandidateError: ``non_finite`` when a value is infinite or NaN.
        """
        for start in range(0, len(images), self._batch_size):
            maps = to_float(images[start : start + self._batch_size])
            yield run_functions(self._functions, maps, tick)

    def stage_outputs(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Outputs of each stage for images ``(n, C, H, W)``, float32, lowest stage first.

        Raises:
            CandidateError: ``non_finite`` as ``batches`` does.
        """
        maps = to_float(images)
        for function in self._functions:
            starts = range(0, len(maps), self._batch_size)
            batches = (maps[i : i + self._batch_size] for i in starts)
            maps = np.concatenate([run_functions([function], each, no_tick) for each in batches])
            yield maps

    def transform(self, images: Images) -> np.ndarray:
        """Features ``(N, *feature_shape)`` of all images, float32, in memory.

        Raises:
            CandidateError: ``non_finite`` as ``batches`` does.
        """
        features = np.empty((len(images), *self.feature_shape), "float32")
        self.fill(features, images, np.arange(len(images)))
        return features

    def fill(
        self,
        features: np.ndarray,
        images: Images,
        numbers: np.ndarray,
        *,
        tick: Tick = no_tick,
        check: Check = no_check,
    ) -> None:
        """Compute the features of some images, in place.

        Args:
            features: of all images, ``(N, *feature_shape)``, float32.
            numbers: of the images to compute, rising.
            check: called with the features of each batch.

        Raises:
            CandidateError: ``non_finite`` as ``batches`` does.
            Exceptions of tick and check are passed on.
        """
        for start in range(0, len(numbers), self._batch_size):
            chosen = numbers[start : start + self._batch_size]
            batch = run_functions(self._functions, to_float(images[chosen]), tick)
            check(batch)
            features[chosen] = batch


def compiled(pipeline: Pipeline, batch_size: int, engine: str) -> Extractor:
    """Compile a pipeline that has its filterbanks."""
    functions, shape = [], pipeline.image_shape
    for stage in pipeline.stages:
        functions.append(compile_stage(stage, shape[0], engine))
        for layer in stage:
            shape = layer.output_shape(shape)
    return Extractor(pipeline, functions, batch_size, engine)


def to_float(images: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1]: uint8 is divided by 255, floats keep their values."""
    pixels = images.astype("float32", copy=False)
    return pixels / np.float32(255) if images.dtype == np.uint8 else pixels


def run_functions(functions: Sequence[Function], maps: np.ndarray, tick: Tick) -> np.ndarray:
    """Run stages in order on a batch of maps; reject infinite and NaN outputs."""
    start = time.perf_counter()
    for function in functions:
        maps = function(maps)
    if not np.isfinite(maps).all():
        raise CandidateError("non_finite", "features are infinite or not a number")
    tick(len(maps), time.perf_counter() - start)
    return maps
