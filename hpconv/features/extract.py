"""Extracts the features of all images that a protocol uses, through the feature cache."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py

from hpconv import __version__, kernels, trials
from hpconv.config import ModelSettings
from hpconv.datasets import origin, protocols
from hpconv.datasets.data_file import DataFile
from hpconv.engines import choose
from hpconv.features.cache import view
from hpconv.features.cache.entry import Entry, Facts
from hpconv.features.cache.fill import banks, fill
from hpconv.features.cache.keys import code_version, key
from hpconv.features.extractor import Extractor, Images
from hpconv.model.pipeline import describe
from hpconv.trials import Trial

log = logging.getLogger(__name__)


def extract(trial: Trial, data: Path, model: ModelSettings, path: Path, *, cache: Path) -> None:
    """Write a file that links to a trial's features in the cache (see ``cache.view``).

    Features that the cache lacks are computed first, with the rebuilt pipeline. A trial with
    ``misc.flips`` has those of the mirror images, too.

    Raises:
        UserError: when the data file has other images than the trial was made with, the disk of
            the cache is full, the cache is not writable, or the rebuilt pipeline differs from that
            of the search.
    """
    tid = trial["tid"]
    assignment = trials.to_builtin_types(trials.hyperparameters(trial))  # their repr is unique
    origin.check_trial(trial, data)
    with DataFile(data) as file:
        images, image_shape = file.checksum, file.image_shape
    model = replace(model, engine=choose(model.engine))
    pipeline = describe(assignment, image_shape, model)
    original = Entry(cache / key(pipeline, images, model))
    entries = [original]
    if trial["misc"].get("flips"):
        entries.append(Entry(cache / key(pipeline, images, model, mirrored=True)))
    rows = protocols.used_rows(data)
    for entry in entries:
        entry.touch()
        if not entry.missing():
            log.info("trial %d: found the features of %d images in the cache", tid, len(rows))
            continue
        facts: Facts = {
            "key": entry.key,
            "trial": {"experiment": trial.get("exp_key"), "tid": tid},
            "assignment": assignment,
            "checksum": images,
            "engine": model.engine,
            "kernels": kernels.backend(),
            "version": __version__,
            "code": code_version(),
        }
        mirrored_from = None if entry is original else original
        fill(entry, trial, pipeline, data, model=model, facts=facts, mirrored_from=mirrored_from)
        log.info("trial %d: extracted the features of %d images", tid, len(rows))
    view.write(path, entries, rows, assignment=assignment, model=model)


@contextmanager
def extracted(
    trial: Trial, data: Path, model: ModelSettings, *, cache: Path, folder: Path
) -> Iterator[Path]:
    """A temporary file of a trial's features, deleted afterwards; the cache keeps the features.

    Args:
        folder: in which the file is written.

    Raises:
        UserError: as ``extract``.
    """
    with TemporaryDirectory(dir=folder, prefix=".features-") as temporary:
        path = Path(temporary, "features.h5")
        extract(trial, data, model, path, cache=cache)
        yield path


def write_features(file: h5py.File, extractor: Extractor, images: Images) -> None:
    """Write ``features`` (N, ...), float32, and the filterbanks ``filters/I`` to a file."""
    shape = (len(images), *extractor.feature_shape)
    features = file.create_dataset("features", shape, "float32")
    start = 0
    for batch in extractor.batches(images):
        features[start : start + len(batch)] = batch
        start += len(batch)
    for index, bank in enumerate(banks(extractor.pipeline)):
        file[f"filters/{index}"] = bank.filters
