"""Completes an entry of the cache; keeps the files that other processes finished."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path

import h5py
import numpy as np

from hpconv.config import ModelSettings
from hpconv.datasets import protocols
from hpconv.datasets.image_rows import ImageRows
from hpconv.engines import compile_stage
from hpconv.features import signature
from hpconv.features.cache import blocks, keys
from hpconv.features.cache.entry import Entry, Facts, FileFacts
from hpconv.features.extractor import Extractor
from hpconv.features.learning import learn
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import Filter, Layer
from hpconv.model.pipeline import Pipeline, Stage
from hpconv.trials import Trial

log = logging.getLogger(__name__)


def fill(
    entry: Entry,
    trial: Trial,
    pipeline: Pipeline,
    data: Path,
    *,
    model: ModelSettings,
    facts: Facts,
    mirrored_from: Entry | None = None,
) -> None:
    """Compute missing and damaged filters and blocks, and complete the record.

    Args:
        mirrored_from: for an entry of mirror images, that of the images, which has their filters.

    Raises:
        UserError: when the disk is full, the folder is not writable, or the rebuilt pipeline
            differs from that of the search.
    """
    rows = protocols.used_rows(data)
    shape = [len(rows), *list(pipeline.shapes())[-1][1]]
    with blocks.room(entry.folder, 4 * prod(shape)):
        entry.folder.mkdir(parents=True, exist_ok=True)
        blocks.sweep(entry.folder)
        if not entry.facts():
            entry.record(facts | {"shape": shape, "complete": False})
        entry.touch()
        extractor = _extractor(entry, pipeline, data, model, mirrored_from)
        agreement = signature.verify(trial, extractor, signature.fixed_images(data))
        log.info("trial %d: agreement with the search: %s", trial["tid"], agreement)
        step = max(1, keys.BLOCK_BYTES // (4 * prod(shape[1:])))
        names = [entry.filters.name]
        for number, start in enumerate(range(0, len(rows), step)):
            images = ImageRows(data, rows[start : start + step], mirrored=bool(mirrored_from))
            _fill_block(entry, number, extractor, images)
            names.append(entry.block(number).name)
        _complete(entry, names)


def banks(pipeline: Pipeline) -> Iterator[FilterBank]:
    """The learned filterbanks of a pipeline, lowest stage first."""
    for stage in pipeline.stages:
        for layer in stage:
            if isinstance(layer, Filter) and layer.bank:
                yield layer.bank


def _fill_block(entry: Entry, number: int, extractor: Extractor, images: ImageRows) -> None:
    path, place = entry.block(number), {"key": entry.key, "number": number}
    if blocks.sound(path, **place):
        log.info("%s exists already", path)
        return
    start = time.perf_counter()
    features = extractor.transform(images)
    seconds = time.perf_counter() - start
    blocks.write_arrays(path, {"features": features}, **place, seconds=seconds)


def _extractor(
    entry: Entry, pipeline: Pipeline, data: Path, model: ModelSettings, mirrored_from: Entry | None
) -> Extractor:
    """The extractor with the entry's filters: whitening may differ between machines."""
    if not blocks.sound(entry.filters, key=entry.key):
        start = time.perf_counter()
        if mirrored_from:
            learned = _extractor(mirrored_from, pipeline, data, model, None)
        else:
            learned = learn(pipeline, protocols.unlabelled(data, model.n_unsupervised), model)
        seconds = time.perf_counter() - start
        if not blocks.sound(entry.filters, key=entry.key):  # no other process was faster
            _write_banks(entry, learned.pipeline, seconds)
    with blocks.read(entry.filters) as file:
        return with_banks(pipeline, read_banks(file), model)


def _write_banks(entry: Entry, learned: Pipeline, seconds: float) -> None:
    arrays: dict[str, np.ndarray] = {}
    for index, bank in enumerate(banks(learned)):
        arrays |= {f"filters/{index}": bank.filters, f"means/{index}": bank.mean}
    blocks.write_arrays(entry.filters, arrays, key=entry.key, seconds=seconds)


def read_banks(file: h5py.File) -> list[FilterBank]:
    """The filterbanks in an entry's filters.h5, lowest stage first."""
    return [
        FilterBank(file[f"means/{index}"][()], file[f"filters/{index}"][()])
        for index in range(len(file["filters"]))
    ]


def with_banks(pipeline: Pipeline, learned: list[FilterBank], model: ModelSettings) -> Extractor:
    """The extractor of a described pipeline with these filterbanks, lowest stage first."""
    remaining, shape = iter(learned), pipeline.image_shape
    stages: list[Stage] = []
    functions = []
    for stage in pipeline.stages:
        stages.append(tuple(_with_bank(layer, remaining) for layer in stage))
        functions.append(compile_stage(stages[-1], shape[0], model.engine))
        for layer in stage:
            shape = layer.output_shape(shape)
    complete = replace(pipeline, stages=tuple(stages))
    return Extractor(complete, functions, model.batch_size, model.engine)


def _with_bank(layer: Layer, remaining: Iterator[FilterBank]) -> Layer:
    return replace(layer, bank=next(remaining)) if isinstance(layer, Filter) else layer


def _complete(entry: Entry, names: list[str]) -> None:
    files: dict[str, FileFacts] = {}
    seconds = 0.0
    for name in names:
        path = entry.folder / name
        with blocks.read(path) as file:
            checksum = str(file.attrs["checksum"])
            seconds += float(file.attrs["seconds"])
        files[name] = {"bytes": path.stat().st_size, "sha256": checksum}
    if facts := entry.facts():
        entry.record(facts | {"complete": True, "seconds": seconds, "files": files})
