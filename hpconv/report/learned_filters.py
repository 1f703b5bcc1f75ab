"""What a winner has learned, as pictures: its filters, and the maps that they make of an image."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

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
ENGINE: Literal["cpu"] = "cpu"  # one image wakes no GPU


def learned(extracted: Path) -> list[FilterBank]:
    """The filterbanks of a winner, from below, out of the file of its features.

    Raises:
        UserError: when the cache has lost them.
    """
    with features.opened(extracted) as file:
        return read_banks(file["filters"].file)  # the cache's, with their mean patches as well


def filters(banks: list[FilterBank]) -> list[dict[str, Any]]:
    """Each bank's ``title``, ``note`` and ``picture``, from below."""
    return [_bank(level, bank.filters) for level, bank in enumerate(banks, start=1)]


def maps(
    pipeline: Pipeline, banks: list[FilterBank], data: Path, model: ModelSettings
) -> dict[str, Any]:
    """The first training ``image`` of a data file, ``warped``, and what each of the ``stages``
    above makes of it.

    Args:
        pipeline: without its filters, which are in banks.
    """
    image = protocols.unlabelled(data, 1)
    extractor = with_banks(pipeline, banks, replace(model, engine=ENGINE))
    outputs = zip(extractor.stage_outputs(image), pipeline.stages, strict=True)
    warped, *stages = [_as_maps(output[0], stage) for output, stage in outputs]
    seen = np.rint(255 * warped.clip(0, 1)).astype("uint8")
    size = warped.shape[-1]
    return {
        "image": images.thumbnail(image[0], "the image"),
        "warped": images.thumbnail(seen, "the image as the first layer sees it"),
        "size": f"{size}×{size}",
        "stages": [_stage(*each) for each in enumerate(stages, start=1)],
    }


def _bank(level: int, bank: np.ndarray) -> dict[str, Any]:
    count, channels, size, _ = bank.shape
    notes = []
    if count > MAX_FILTERS:
        notes.append(f"the first {MAX_FILTERS} are shown")
    if channels == 3:
        notes.append("in the colours of their three channels")
    elif channels > 1:
        notes.append(f"each is the mean over its {channels} channels")
    title = f"Layer {level}: {count} filters of {size}×{size}"
    picture = images.filters(bank[:MAX_FILTERS], f"the filters of layer {level}")
    return {"title": title, "note": ", ".join(notes), "picture": picture}


def _as_maps(output: np.ndarray, stage: Stage) -> np.ndarray:
    """A grid's features are flattened from ``(C, g, g, 2)``; maps stay as they are."""
    last = stage[-1]
    if not isinstance(last, GridPool):
        return output
    grid = output.reshape(-1, last.grid_res, last.grid_res, 2)
    return grid.transpose(3, 0, 1, 2).reshape(-1, last.grid_res, last.grid_res)


def _stage(level: int, stack: np.ndarray) -> dict[str, Any]:
    count, size, _ = stack.shape
    shown = f"the first {MAX_MAPS}, " if count > MAX_MAPS else ""
    return {
        "title": f"Layer {level}: {count} maps of {size}×{size}",
        "note": f"{shown}values {number(stack.min())} to {number(stack.max())}",
        "picture": images.maps(stack[:MAX_MAPS], f"the maps of layer {level}"),
    }
