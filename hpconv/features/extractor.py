"""A described pipeline becomes a feature extractor: filters learned, stages compiled."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from hpconv.config import ModelSettings
from hpconv.datasets.image_rows import ImageRows
from hpconv.engines import Function, compile_stage
from hpconv.errors import CandidateError
from hpconv.model import filterbanks
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import Filter, Layer
from hpconv.model.pipeline import Pipeline, Stage, for_image_size

Images = np.ndarray | ImageRows
Tick = Callable[[int, float], None]  # told the images of each finished batch, and its seconds


def no_tick(images: int, seconds: float) -> None:
    """For those who do not watch the pace."""


class Extractor:
    """A pipeline with learned filterbanks, compiled stage by stage."""

    def __init__(
        self, pipeline: Pipeline, functions: Sequence[Function], batch_size: int, engine: str
    ) -> None:
        self.pipeline = pipeline
        self.feature_shape = [shape for _, shape in pipeline.shapes()][-1]
        self._functions = functions
        self._batch_size = batch_size
        self.engine = engine

    def for_image_size(self, size: int) -> "Extractor":
        """The same extractor for square images of another size in pixels."""
        if size == self.pipeline.image_shape[-1]:
            return self
        pipeline = for_image_size(self.pipeline, size)
        resize = compile_stage(pipeline.stages[0], pipeline.image_shape[0], self.engine)
        functions = [resize, *self._functions[1:]]
        return Extractor(pipeline, functions, self._batch_size, self.engine)

    def batches(self, images: Images, tick: Tick = no_tick) -> Iterator[np.ndarray]:
        """Features of images ``(N, C, H, W)``, uint8 or float in [0, 1], a batch at a time.

        Raises:
            CandidateError: ``non_finite`` when a value overflows or has no meaning.
        """
        for start in range(0, len(images), self._batch_size):
            maps = to_float(images[start : start + self._batch_size])
            yield _run(self._functions, maps, tick)

    def stage_outputs(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """What each stage makes of images ``(n, C, H, W)``, float32, lowest stage first.

        Raises:
            CandidateError: ``non_finite`` as ``batches`` does.
        """
        maps = to_float(images)
        for function in self._functions:
            maps = _through(function, maps, self._batch_size, no_tick)
            yield maps

    def transform(self, images: Images, tick: Tick = no_tick) -> np.ndarray:
        """Features ``(N, *feature_shape)`` of all images, float32, in memory."""
        features = np.empty((len(images), *self.feature_shape), "float32")
        start = 0
        for batch in self.batches(images, tick):
            features[start : start + len(batch)] = batch
            start += len(batch)
        return features


def to_float(images: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1]: uint8 is divided by 255, floats are taken as they are."""
    pixels = images.astype("float32")
    return pixels / np.float32(255) if images.dtype == np.uint8 else pixels


def _run(functions: Sequence[Function], maps: np.ndarray, tick: Tick) -> np.ndarray:
    start = time.perf_counter()
    for function in functions:
        maps = function(maps)
    if not np.isfinite(maps).all():
        raise CandidateError("non_finite", "features are infinite or not a number")
    tick(len(maps), time.perf_counter() - start)
    return maps


def learn(
    pipeline: Pipeline, images: np.ndarray, model: ModelSettings, tick: Tick = no_tick
) -> Extractor:
    """Fill the filterbanks from unlabelled images ``(N, C, H, W)`` and compile.

    Each layer's patches are cut from the images as the layers below it show them.
    """
    stages: list[Stage] = []
    functions: list[Function] = []
    maps = to_float(images)
    for stage in pipeline.stages:
        if functions:
            maps = _through(functions[-1], maps, model.batch_size, tick)
        stages.append(tuple(_with_bank(layer, maps, model) for layer in stage))
        functions.append(compile_stage(stages[-1], maps.shape[1], model.engine))
    learned = replace(pipeline, stages=tuple(stages))
    return Extractor(learned, functions, model.batch_size, model.engine)


def _through(function: Function, maps: np.ndarray, batch_size: int, tick: Tick) -> np.ndarray:
    starts = range(0, len(maps), batch_size)
    return np.concatenate([_run([function], maps[i : i + batch_size], tick) for i in starts])


def _with_bank(layer: Layer, maps: np.ndarray, model: ModelSettings) -> Layer:
    if not isinstance(layer, Filter):
        return layer
    return replace(layer, bank=_learn_bank(layer, maps, model))


def _learn_bank(layer: Filter, maps: np.ndarray, model: ModelSettings) -> FilterBank:
    recipe, channels = layer.recipe, maps.shape[1]
    if recipe.kind == "projections":
        return filterbanks.uniform_projections(
            layer.n_filters, layer.size, channels, recipe.seed, recipe.normalize
        )
    rng = np.random.RandomState(recipe.patch_seed)
    patches = filterbanks.random_patches(maps, model.n_patches, layer.size, rng)
    whitening = filterbanks.whiten(
        patches, recipe.gamma, layer.remove_mean, layer.beta, layer.hard_beta
    )
    shape = (channels, layer.size, layer.size)
    make = getattr(filterbanks, recipe.kind)
    return make(whitening, layer.n_filters, recipe.seed, shape)
