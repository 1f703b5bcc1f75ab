"""Whole random pipelines: hpconv's extractor against the same layers in PyTorch eager."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from hyperopt import Trials, rand
from hyperopt.base import Domain
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample

from hpconv.config import ModelSettings
from hpconv.engines import compile_stage
from hpconv.errors import CandidateError
from hpconv.features.extractor import Extractor
from hpconv.model import layers
from hpconv.model.filterbanks import FilterBank
from hpconv.model.pipeline import Pipeline, describe
from hpconv.model.space import search_space

DRAWS = 200
IMAGES = np.random.default_rng(0).integers(0, 256, (32, 3, 32, 32), dtype="uint8")
SECONDS = 1.0  # after which a pipeline is not repeated
REPEATS = 3
MODEL = ModelSettings(
    output_sizes=(32, 64),
    max_layer_sizes=(64, 128),
    n_patches=5000,
    max_n_features=2000,
    max_row_elements=500_000,
    n_unsupervised=0,
    batch_size=len(IMAGES),
    engine="cpu",
)


def measure() -> dict[str, Any]:
    """Images a second of each drawn pipeline, and how many candidates were refused."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    space = search_space(MODEL.output_sizes, MODEL.max_layer_sizes)
    domain = Domain(lambda assignment: 0.0, space)
    result: dict[str, Any] = {"hpconv": [], "torch": [], "error": [], "refused": 0}
    for seed in range(DRAWS):
        (trial,) = rand.suggest([seed], domain, Trials(), seed)
        values = {label: v[0] for label, v in trial["misc"]["vals"].items() if v}
        try:
            pipeline = with_random_banks(describe(values, IMAGES.shape[1:], MODEL))
            speeds = compare(pipeline)
        except CandidateError:
            result["refused"] += 1
            continue
        for name, value in speeds.items():
            result[name].append(value)
    return result


def with_random_banks(pipeline: Pipeline) -> Pipeline:
    """Extraction takes the same time with any filters, learning them would take far longer."""
    rng = np.random.RandomState(0)
    (channels, *_), stages = pipeline.image_shape, []
    for stage in pipeline.stages:
        filled = []
        for layer in stage:
            if isinstance(layer, layers.Filter):
                shape = (layer.n_filters, channels, layer.size, layer.size)
                filters = rng.randn(*shape) / np.sqrt(np.prod(shape[1:]))
                bank = FilterBank(np.zeros((1, 1, 1), "float32"), filters.astype("float32"))
                layer, channels = replace(layer, bank=bank), layer.n_filters
            filled.append(layer)
        stages.append(tuple(filled))
    return replace(pipeline, stages=tuple(stages))


def compare(pipeline: Pipeline) -> dict[str, float]:
    channels = pipeline.image_shape[0]
    functions = []
    for stage in pipeline.stages:
        functions.append(compile_stage(stage, channels, MODEL.engine))
        channels = next((x.n_filters for x in stage if isinstance(x, layers.Filter)), channels)
    ours = Extractor(pipeline, functions, MODEL.batch_size, MODEL.engine).transform
    theirs = eager(pipeline)
    expected, actual = theirs(IMAGES), ours(IMAGES)
    scale = np.abs(expected).max() or 1.0  # a high alpha leaves nothing but zeros
    error = np.abs(actual - expected).max() / scale
    return {"hpconv": rate(ours), "torch": rate(theirs), "error": float(error)}


def rate(extract: Callable[[np.ndarray], np.ndarray]) -> float:
    """Images a second, the best of a few runs."""
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < SECONDS:
        start = time.perf_counter()
        extract(IMAGES)
        seconds.append(time.perf_counter() - start)
    return len(IMAGES) / min(seconds)


def report(result: dict[str, Any]) -> str:
    ours, theirs = np.array(result["hpconv"]), np.array(result["torch"])
    ratio = ours / theirs
    lines = [f"Images/s, {len(ours)} whole pipelines ({result['refused']} of {DRAWS} refused)\n"]
    lines += ["| | hpconv (c) | torch eager | ratio |", "|---|---|---|---|"]
    for percent in (10, 50, 90):
        cells = (np.percentile(values, percent) for values in (ours, theirs, ratio))
        lines.append(f"| {percent} % of pipelines are below | {_cells(*cells)} |")
    total = (len(ours) / (1 / speeds).sum() for speeds in (ours, theirs))
    mine, others = total
    lines.append(f"| all, one after the other | {_cells(mine, others, mine / others)} |")
    wins = f"hpconv is the faster in {(ratio > 1).mean():.0%}, least ratio {ratio.min():.2f}; "
    differ = np.percentile(result["error"], [50, 99])
    lines.append(
        f"\n{wins}differences relative to the largest feature: median {differ[0]:.0e}, "
        f"99 % below {differ[1]:.0e}."
    )
    return "\n".join(lines)


def _cells(mine: float, others: float, ratio: float) -> str:
    return f"{mine:.0f} | {others:.0f} | {ratio:.2f}"


def eager(pipeline: Pipeline) -> Callable[[np.ndarray], np.ndarray]:
    """A pipeline in PyTorch eager: uint8 images ``(N, C, H, W)`` to features."""
    steps = [step(layer) for stage in pipeline.stages for layer in stage]

    @torch.inference_mode()
    def extract(images: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(images).float() / 255
        for each in steps:
            x = each(x)
        return x.numpy()

    return extract


@singledispatch
def step(layer: layers.Layer) -> Callable[[Tensor], Tensor]:
    """A layer as a function of float32 maps; formulas as in ``hpconv.engines.operators``."""
    raise TypeError(layer)


@step.register
def _(layer: layers.Warp) -> Callable[[Tensor], Tensor]:
    y, x = np.mgrid[: layer.size, : layer.size]
    points = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(layer.matrix).T

    def warp(images: Tensor) -> Tensor:
        grid = torch.from_numpy(points[None, :, :, :2] * (2 / (images.shape[-1] - 1)) - 1).float()
        grid = grid.expand(len(images), -1, -1, -1)
        return grid_sample(images, grid, align_corners=True).clamp(0, 1)

    return warp


def window_sum(x: Tensor, size: int, stride: int = 1) -> Tensor:
    return avg_pool2d(x, size, stride, divisor_override=1)


def root(x: Tensor, order: float) -> Tensor:
    return x.clamp(min=0).sqrt() if order == 2 else x.clamp(min=0) ** (1 / order)


@step.register
def _(layer: layers.Filter) -> Callable[[Tensor], Tensor]:
    assert layer.bank is not None
    filters, mean = (torch.from_numpy(a) for a in (layer.bank.filters, layer.bank.mean))
    sums = filters.sum((1, 2, 3))[:, None, None]
    offset = (filters * mean).sum((1, 2, 3))[:, None, None]
    count = filters[0].numel()

    def fbncc(x: Tensor) -> Tensor:
        response = conv2d(x, filters)
        q = window_sum((x * x).sum(1, keepdim=True), layer.size)
        if layer.remove_mean:
            total = window_sum(x.sum(1, keepdim=True), layer.size)
            q = q - total * total / count
            response = response - total / count * sums
        q = q.clamp(min=0)
        q = q.clamp(min=layer.beta) if layer.hard_beta else q + layer.beta
        return response / q.sqrt() - offset

    return fbncc


@step.register
def _(layer: layers.Lpool) -> Callable[[Tensor], Tensor]:
    order, window = layer.order, (layer.ker_size, layer.stride)

    def lpool(x: Tensor) -> Tensor:
        if order == 1:
            return window_sum(x, *window)
        base = x if order == int(order) else x.abs()
        return root(window_sum(base**order, *window), order)

    return lpool


@step.register
def _(layer: layers.LpoolAlpha) -> Callable[[Tensor], Tensor]:
    def lpool_alpha(x: Tensor) -> Tensor:
        powers = ((half - layer.alpha).clamp(min=0) ** layer.order for half in (x, -x))
        sums = [window_sum(power, layer.ker_size, layer.stride) for power in powers]
        return torch.cat([root(total, layer.order) for total in sums], dim=1)

    return lpool_alpha


@step.register
def _(layer: layers.GridPool) -> Callable[[Tensor], Tensor]:
    cells = layer.grid_res

    def grid_sum(x: Tensor) -> Tensor:
        for axis in (2, 3):
            cell = x.shape[axis] // cells
            sizes = [cell] * (cells - 1) + [x.shape[axis] - cell * (cells - 1)]
            x = torch.stack([part.sum(axis) for part in x.split(sizes, axis)], axis)
        return x

    def gridpool(x: Tensor) -> Tensor:
        powers = ((half - layer.alpha).clamp(min=0) ** layer.order for half in (x, -x))
        pools = [root(grid_sum(power), layer.order) for power in powers]
        return torch.stack(pools, dim=4).flatten(1)

    return gridpool


@step.register
def _(layer: layers.Lnorm) -> Callable[[Tensor], Tensor]:
    size = layer.ker_size
    crop = size // 2 - (size + 1) % 2

    def lnorm(x: Tensor) -> Tensor:
        ssq = window_sum((x * x).sum(1, keepdim=True), size)
        side = ssq.shape[-1]
        centre = x[:, :, crop : crop + side, crop : crop + side]
        if layer.remove_mean:
            count = x.shape[1] * size**2
            total = window_sum(x.sum(1, keepdim=True), size)
            centre, ssq = centre - total / count, ssq - total * total / count
        divisor = 1e-4 + ssq.clamp(min=0).sqrt()
        return centre / torch.where(divisor < layer.threshold + 1e-4, 1, divisor)

    return lnorm
