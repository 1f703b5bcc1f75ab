"""Features of a whole data set in HDF5, so that classifiers can be fitted again at no cost."""

import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

import h5py

from hpconv import __version__, protocols, trials
from hpconv.candidate import ModelSettings, describe
from hpconv.datasets.rows import ImageRows
from hpconv.files import replacing
from hpconv.layers import Filter
from hpconv.pipeline import Extractor, Images, learn
from hpconv.trials import Trial

log = logging.getLogger(__name__)


def extract(trial: Trial, data: Path, model: ModelSettings, path: Path) -> None:
    """Rebuild a trial's pipeline and write its features of every image that a protocol uses.

    The file holds ``features`` (N, ...) float32; ``rows`` (N,), those of the images in the data
    file, rising; ``filters/I`` (K, C, s, s), the I-th bank from below; and attributes for what
    made them.
    """
    assignment = trials.hyperparameters(trial)
    start = time.perf_counter()
    rows = protocols.used_rows(data)
    images = ImageRows(data, rows)
    pipeline = describe(assignment, images.shape[1:], model)
    extractor = learn(pipeline, protocols.unlabelled(data, model.n_unsupervised), model)
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        write_features(file, extractor, images)
        file["rows"] = rows
        file.attrs["assignment"] = json.dumps(assignment)
        file.attrs["model"] = json.dumps(asdict(model))
        file.attrs["version"] = __version__
        file.attrs["checksum"] = protocols.checksum(data)
        file.attrs["seconds"] = time.perf_counter() - start
    log.info("trial %d: features of %d images", trial["tid"], len(images))


def write_features(file: h5py.File, extractor: Extractor, images: Images) -> None:
    """Write ``features`` (N, ...) of images, and the extractor's ``filters/I``, to a file."""
    shape = (len(images), *extractor.feature_shape)
    features = file.create_dataset("features", shape, "float32")
    start = 0
    for batch in extractor.batches(images):
        features[start : start + len(batch)] = batch
        start += len(batch)
    layers = [layer for stage in extractor.pipeline.stages for layer in stage]
    banks = [layer.bank.filters for layer in layers if isinstance(layer, Filter) and layer.bank]
    for index, filters in enumerate(banks):
        file[f"filters/{index}"] = filters
