"""Description of a pipeline: built from hyperparameters and checked without any image."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import cos, prod, sin

from hpconv.config import ModelSettings
from hpconv.errors import CandidateError
from hpconv.kernels.warp import background_fraction
from hpconv.model import space
from hpconv.model.chosen import ChosenFilter, ChosenPipeline, ChosenWarp, ExitPool
from hpconv.model.layers import (
    BankRecipe,
    Filter,
    GridPool,
    Layer,
    Lnorm,
    Lpool,
    LpoolAlpha,
    Matrix,
    Shape,
    Warp,
)
from hpconv.trials import Assignment

Stage = tuple[Layer, ...]

MAX_BACKGROUND = 0.5  # maximum fraction of a warped image that lies outside the original


@dataclass(frozen=True)
class ClassifierSettings:
    """Regularisation of the classifier and scaling of its features.

    Attributes:
        l2_reg: weight of the L2 penalty.
        varthresh: added to the variance of each feature; scaling divides by the root of the sum.
        remove_std0: whether a variance of 0 is replaced by 1.
        divrowl2: whether features are also divided by the mean L2 norm of scaled examples.
    """

    l2_reg: float
    varthresh: float
    remove_std0: bool
    divrowl2: bool


@dataclass(frozen=True)
class Pipeline:
    """Stages, whose outputs are small enough to be stored, and the classifier's settings."""

    image_shape: Shape
    stages: tuple[Stage, ...]
    classifier: ClassifierSettings

    def shapes(self) -> Iterator[tuple[Layer, Shape]]:
        """Each layer with its output shape."""
        shape = self.image_shape
        for stage in self.stages:
            for layer in stage:
                shape = layer.output_shape(shape)
                yield layer, shape


def describe(assignment: Assignment, image_shape: Shape, model: ModelSettings) -> Pipeline:
    """Build a pipeline from hyperparameters and check the shapes of its layers.

    Args:
        image_shape: ``(C, H, W)`` of the images, square.

    Raises:
        CandidateError: if a map is too small, a filterbank has no filters, a stage has too many
            outputs, or too much of the warped image lies outside the original.
    """
    graph = _search_space(tuple(model.output_sizes), tuple(model.max_layer_sizes))
    chosen = space.evaluate(graph, assignment)
    warp = _read_warp(chosen["warp"], image_shape[-1])
    stages: list[Stage] = [(warp,)]
    shape = warp.output_shape(image_shape)
    for entry in chosen["stack"]:
        filters = _read_filter(entry["filter"], int(entry["filter"]["n_filters"]))
        stages.append((filters, _read_pool({"kind": "lpool", **entry["pool"]})))
        shape = _stage_shape(stages[-1], shape, model)
    stages.append(_read_exit(chosen, shape, model))
    _stage_shape(stages[-1], shape, model)
    classifier = chosen["classifier"]
    return Pipeline(
        tuple(image_shape),
        tuple(stages),
        ClassifierSettings(
            l2_reg=float(classifier["l2_reg"]),
            varthresh=float(classifier["varthresh"]),
            remove_std0=bool(classifier["remove_std0"]),
            divrowl2=bool(classifier["divrowl2"]),
        ),
    )


# building the graph takes longer than evaluating it
_search_space = cache(space.search_space)


def for_image_size(pipeline: Pipeline, size: int) -> Pipeline:
    """Adapt the warp of a pipeline to square images of another size."""
    (warp,), *stages = pipeline.stages
    assert isinstance(warp, Warp)
    scale = pipeline.image_shape[-1] / size
    rows = tuple((x * scale, y * scale, shift) for x, y, shift in warp.matrix[:2])
    resize = Warp((*rows, warp.matrix[2]), warp.size)
    return replace(
        pipeline,
        image_shape=(pipeline.image_shape[0], size, size),
        stages=((resize,), *stages),
    )


def _stage_shape(stage: Stage, shape: Shape, model: ModelSettings) -> Shape:
    for layer in stage:
        shape = layer.output_shape(shape)
    if prod(shape) > model.max_row_elements:
        reason = f"{prod(shape)} values per image, {model.max_row_elements} are allowed"
        raise CandidateError("too_many_features", reason)
    return shape


def _read_warp(entry: ChosenWarp, image_size: int) -> Warp:
    size, affine = int(entry["size"]), entry["affine"]
    rotation, shear = affine["rotation"], affine["shear"]
    x_scale, y_scale = (scale * size / image_size for scale in affine["scale"])
    x_shift, y_shift = (shift * size for shift in affine["translation"])
    tilt = rotation + shear
    matrix: Matrix = (
        (x_scale * cos(rotation), -y_scale * sin(tilt), x_shift),
        (x_scale * sin(rotation), y_scale * cos(tilt), y_shift),
        (0.0, 0.0, 1.0),
    )
    empty = background_fraction(matrix, image_size, size)
    if empty > MAX_BACKGROUND:
        reason = f"{empty:.0%} of the warped image lies outside the original"
        raise CandidateError("warp_background", reason)
    return Warp(matrix, size)


def _read_filter(entry: ChosenFilter, n_filters: int) -> Filter:
    return Filter(
        n_filters=n_filters,
        size=int(entry["size"]),
        recipe=BankRecipe(**entry["bank"]),
        remove_mean=bool(entry["remove_mean"]),
        beta=float(entry["beta"]),
        hard_beta=bool(entry["hard_beta"]),
    )


def _read_pool(entry: ExitPool) -> Lpool | LpoolAlpha | GridPool:
    order = float(entry["order"])
    if entry["kind"] == "gridpool":
        return GridPool(int(entry["grid_res"]), order, float(entry["alpha"]))
    ker_size, stride = int(entry["ker_size"]), int(entry["stride"])
    if entry["kind"] == "lpool":
        return Lpool(ker_size=ker_size, order=order, stride=stride)
    alpha = float(entry["alpha"])
    return LpoolAlpha(ker_size=ker_size, order=order, stride=stride, alpha=alpha)


def _read_exit(chosen: ChosenPipeline, shape: Shape, model: ModelSettings) -> Stage:
    pool, norm = _read_pool(chosen["pool"]), chosen["norm"]
    filters = _read_filter(chosen["filter"], n_filters=0)
    side = shape[-1] - filters.size + 1
    per_filter = _features_per_filter(pool, side, int(norm["ker_size"]) if norm else 1)
    if per_filter < 1:
        raise CandidateError("map_too_small", f"a map of {shape[-1]} pixels is too small")
    filters = replace(filters, n_filters=model.max_n_features // per_filter)
    if norm is None or norm["settings"] is None:
        return (filters, pool)
    settings = norm["settings"]
    threshold = float(settings["threshold"])
    return (filters, pool, Lnorm(int(norm["ker_size"]), bool(settings["remove_mean"]), threshold))


def _features_per_filter(pool: Lpool | LpoolAlpha | GridPool, side: int, norm_size: int) -> int:
    if isinstance(pool, GridPool):
        return 2 * pool.grid_res**2 if side > 0 else 0
    pooled = -(-max(side - pool.ker_size + 1, 0) // pool.stride)
    if isinstance(pool, LpoolAlpha):
        return 2 * pooled**2
    return max(pooled - norm_size + 1, 0) ** 2
