"""Learned filters of a winner, and the feature maps of an image, as pictures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from hpconv import features
from hpconv.config import ModelSettings
from hpconv.datasets import protocols
from hpconv.features.cache.fill import read_banks, with_banks
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import GridPool
from hpconv.model.pipeline import Pipeline, Stage
from hpconv.report import images
from hpconv.report.diagram import number

MAX_FILTERS = 64
MAX_MAPS = 16
LARGE = 1e5  # values of maps that need an explanation
ENGINE: Literal["cpu"] = "cpu"  # a GPU is not worth its start for one image


class Mosaic(TypedDict):
    """The filters or the feature maps of a layer."""

    title: str
    note: str
    picture: images.Picture


class FeatureMaps(TypedDict):
    """An image and what each layer makes of it."""

    image: images.Picture
    warped: images.Picture  # the input of the first layer
    size: str  # of warped
    stages: list[Mosaic]


def learned(extracted: Path) -> list[FilterBank]:
    """The filterbanks of a winner, first layer first, from its feature file.

    Raises:
        UserError: when the feature cache no longer has them.
    """
    with features.opened(extracted) as file:
        return read_banks(file["filters"].file)  # of the cache: it has mean patches too


def filters(banks: list[FilterBank]) -> list[Mosaic]:
    """The filters of each layer, first layer first."""
    return [_bank(level, bank.filters) for level, bank in enumerate(banks, start=1)]


def maps(
    pipeline: Pipeline,
    banks: list[FilterBank],
    data: Path,
    model: ModelSettings,
    bands: Sequence[int] = images.BANDS,
) -> FeatureMaps:
    """The feature maps of the first training image of a data file.

    Args:
        pipeline: without filters, which are in banks.
        bands: as ``images.thumbnail``.
    """
    image = protocols.unlabelled(data, 1)
    extractor = with_banks(pipeline, banks, replace(model, engine=ENGINE))
    outputs = zip(extractor.stage_outputs(image), pipeline.stages, strict=True)
    warped, *stages = [_as_maps(output[0], stage) for output, stage in outputs]
    seen = np.rint(255 * warped.clip(0, 1)).astype("uint8")
    size = warped.shape[-1]
    return {
        "image": images.thumbnail(image[0], "the image", bands),
        "warped": images.thumbnail(seen, "the input of the first layer", bands),
        "size": f"{size}×{size}",
        "stages": [_stage(*each) for each in enumerate(stages, start=1)],
    }


def _bank(level: int, bank: np.ndarray) -> Mosaic:
    count, channels, size, _ = bank.shape
    notes = []
    if count > MAX_FILTERS:
        notes.append(f"first {MAX_FILTERS} shown")
    if channels == 3:
        notes.append("channels as red, green and blue")
    elif channels > 1:
        notes.append(f"mean over {channels} channels")
    title = f"Layer {level}: {count} filters of {size}×{size}"
    picture = images.filters(bank[:MAX_FILTERS], f"the filters of layer {level}")
    return {"title": title, "note": ", ".join(notes), "picture": picture}


def _as_maps(output: np.ndarray, stage: Stage) -> np.ndarray:
    """Maps ``(n, h, w)``; features of a grid are reshaped, which are ``(C, g, g, 2)`` flattened."""
    last = stage[-1]
    if not isinstance(last, GridPool):
        return output
    grid = output.reshape(-1, last.grid_res, last.grid_res, 2)
    return grid.transpose(3, 0, 1, 2).reshape(-1, last.grid_res, last.grid_res)


def _why(stack: np.ndarray) -> str:
    """Why values of maps are large, as they look like a mistake."""
    if np.abs(stack).max() <= LARGE:
        return ""
    return ", which this pipeline does not limit; features are scaled before the classifier"


def _stage(level: int, stack: np.ndarray) -> Mosaic:
    count, size, _ = stack.shape
    shown = f"first {MAX_MAPS} shown, " if count > MAX_MAPS else ""
    return {
        "title": f"Layer {level}: {count} maps of {size}×{size}",
        "note": f"{shown}values {number(stack.min())} to {number(stack.max())}{_why(stack)}",
        "picture": images.maps(stack[:MAX_MAPS], f"the maps of layer {level}"),
    }
