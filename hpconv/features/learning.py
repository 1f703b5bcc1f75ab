"""Learns the filterbanks of a pipeline from unlabelled images, batch by batch."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import numpy as np

from hpconv.config import ModelSettings
from hpconv.engines import Function, compile_stage
from hpconv.features.extractor import Extractor, Tick, no_tick, run_functions, to_float
from hpconv.model import filterbanks, patches
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import Filter, Layer, Shape
from hpconv.model.patches import Positions
from hpconv.model.pipeline import Pipeline, Stage
from hpconv.model.whitening import Moments, Whitening

KEPT_BYTES = 2**29  # of maps; larger maps are recomputed for each stage that needs them
BLOCK_BYTES = 2**24  # of patches that are normalised together


class StageInputs:
    """The inputs of a stage for all unlabelled images, computed on demand.

    Attributes:
        shape: ``(N, C, H, W)`` of the maps.
    """

    def __init__(self, images: np.ndarray, batch_size: int, tick: Tick) -> None:
        self.shape = images.shape
        self._take: Callable[[np.ndarray], np.ndarray] = images.__getitem__
        self._functions: list[Function] = []  # stages from the output of _take to the maps
        self._batch_size, self._tick = batch_size, tick

    def pass_through(self, function: Function, shape: Shape) -> None:
        """Append a stage: its outputs, each of this shape, become the inputs of the next."""
        self._functions.append(function)
        self.shape = (len(self), *shape)

    def batches(self, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of image numbers ``(n,)`` and maps ``(n, C, H, W)``.

        If the maps of all images fit KEPT_BYTES, they are kept for the next stage.

        Args:
            numbers: of the images, ascending.
        """
        if self._functions and 4 * prod(self.shape) <= KEPT_BYTES:
            self._keep()
        for start in range(0, len(numbers), self._batch_size):
            chosen = numbers[start : start + self._batch_size]
            yield chosen, self._compute(chosen)

    def __len__(self) -> int:
        return self.shape[0]

    def _compute(self, chosen: np.ndarray) -> np.ndarray:
        maps = to_float(self._take(chosen))
        return run_functions(self._functions, maps, self._tick) if self._functions else maps

    def _keep(self) -> None:
        n, channels, height, width = self.shape
        kept = np.empty((n, height, width, channels), "float32")  # the memory layout of the kernels
        for start in range(0, n, self._batch_size):
            chosen = np.arange(start, min(start + self._batch_size, n))
            kept[chosen] = self._compute(chosen).transpose(0, 2, 3, 1)
        self._functions = []
        self._take = lambda chosen: kept[chosen].transpose(0, 3, 1, 2)


def learn(
    pipeline: Pipeline, images: np.ndarray, model: ModelSettings, tick: Tick = no_tick
) -> Extractor:
    """Learn the filterbanks from unlabelled images ``(N, C, H, W)`` and compile the stages.

    The patches of a filterbank are cut from the outputs of the stage below.

    Raises:
        CandidateError: ``non_finite`` when maps overflow or patches cannot be whitened.
    """
    inputs = StageInputs(images, model.batch_size, tick)
    stages: list[Stage] = []
    functions: list[Function] = []
    for stage in pipeline.stages:
        shape = inputs.shape[1:]
        stages.append(tuple(_with_bank(layer, inputs, model) for layer in stage))
        functions.append(compile_stage(stages[-1], shape[0], model.engine))
        for layer in stage:
            shape = layer.output_shape(shape)
        inputs.pass_through(functions[-1], shape)
    learned = replace(pipeline, stages=tuple(stages))
    return Extractor(learned, functions, model.batch_size, model.engine)


def _with_bank(layer: Layer, inputs: StageInputs, model: ModelSettings) -> Layer:
    if not isinstance(layer, Filter):
        return layer
    return replace(layer, bank=_learn_bank(layer, inputs, model))


def _learn_bank(layer: Filter, inputs: StageInputs, model: ModelSettings) -> FilterBank:
    recipe, shape = layer.recipe, (inputs.shape[1], layer.size, layer.size)
    if recipe.kind == "projections":
        return filterbanks.uniform_projections(
            layer.n_filters, layer.size, shape[0], recipe.seed, recipe.normalize
        )
    rng = np.random.RandomState(recipe.patch_seed)
    drawn = patches.draw(inputs.shape, model.n_patches, layer.size, rng)
    if recipe.kind == "whitened_projections":
        moments, _ = _measure_patches(layer, inputs, drawn)
        whitening = Whitening(moments.covariance(), recipe.gamma)
        return filterbanks.whitened_projections(
            moments.mean, whitening, layer.n_filters, recipe.seed, shape
        )
    rows = filterbanks.drawn_rows(len(drawn.image), layer.n_filters, recipe.seed)
    moments, examples = _measure_patches(layer, inputs, drawn, rows)
    whitening = Whitening(moments.covariance(), recipe.gamma)
    return filterbanks.whitened_patches(moments.mean, whitening, examples, shape)


def _measure_patches(
    layer: Filter, inputs: StageInputs, drawn: Positions, rows: np.ndarray | tuple[()] = ()
) -> tuple[Moments, np.ndarray]:
    """Moments of the contrast-normalised patches, and the patches of these rows, ``(K, D)``."""
    found = patches.distinct(drawn)
    wanted = found.numbers[np.asarray(rows, int)]
    moments = Moments(inputs.shape[1] * layer.size**2)
    examples = np.empty((len(wanted), inputs.shape[1] * layer.size**2), "float32")
    for part, block in _patch_blocks(layer, inputs, found.positions):
        here = (wanted >= part.start) & (wanted < part.stop)
        examples[here] = block[wanted[here] - part.start]
        moments.add(block, found.counts[part])
    return moments, examples


def _patch_blocks(
    layer: Filter, inputs: StageInputs, positions: Positions
) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of the positions, and their contrast-normalised patches ``(n, D)``."""
    step = max(1, BLOCK_BYTES // (4 * inputs.shape[1] * layer.size**2))
    for images, maps in inputs.batches(np.unique(positions.image)):
        first, last = np.searchsorted(positions.image, [images[0], images[-1] + 1])
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            chosen = positions.take(part)
            in_batch = chosen._replace(image=np.searchsorted(images, chosen.image))
            block = patches.cut(maps, in_batch, layer.size)
            yield (
                part,
                patches.contrast_normalize(block, layer.remove_mean, layer.beta, layer.hard_beta),
            )
