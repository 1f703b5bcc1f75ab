"""Data sets: one loader for each source, one layout of the data file for all."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import copies, origin, splits
from hpconv.datasets.data_file import Splits, verify
from hpconv.datasets.data_writer import Content, ImageWriter, write_content
from hpconv.errors import UserError
from hpconv.files import replacing

__all__ = ["verify", "write"]

DEFAULT_SHARE = 0.25  # of validation and test images, unless the configuration sets it

Loader = Callable[[DataSettings, ImageWriter], Content]

# name in a configuration: module in hpconv.datasets.loaders
LOADERS = {
    "digits": "digits",
    "mnist": "mnist",
    "fashion-mnist": "mnist",
    "cifar10": "cifar10",
    "svhn": "svhn",
    "lfw": "lfw",
    "pubfig83": "pubfig83",
    "folder": "folder",
    "csv": "csv_images",
    "pairs": "csv_pairs",
    "hdf5": "hdf5",
}


def write(settings: DataSettings, path: Path) -> None:
    """Load a data set and write it as a data file; a failure leaves the file as it was.

    Raises:
        UserError: when source files are missing or invalid, the settings do not fit them, or trials
            beside the file were made with other images.
    """
    loader: Loader = import_module(f"hpconv.datasets.loaders.{LOADERS[settings.name]}").load
    with replacing(path) as unfinished:
        with h5py.File(unfinished, "w") as file:
            writer = ImageWriter(file)
            content = loader(settings, writer)
            used, copied = copies.used_once(content, writer.digests, settings.path)
            parts = _splits(settings, content, used)
            if not content.is_fraction:
                parts = splits.subsample(parts, content.labels, settings.fraction, settings.seed)
            write_content(file, settings.name, content, parts, copied)
        origin.check_replacement(path.parent, unfinished)


def _splits(settings: DataSettings, content: Content, used: np.ndarray) -> Splits:
    """The splits of the used examples."""
    labels, seed = content.labels, settings.seed
    validation = DEFAULT_SHARE if settings.validation is None else settings.validation
    test = DEFAULT_SHARE if settings.test is None else settings.test
    if content.splits is None:
        if content.pairs is None:
            drawn = splits.stratified(labels[used], validation, test, seed)
            return drawn.mapped(lambda examples: used[examples])
        return splits.disjoint_pairs(content.pairs, labels, validation, test, seed)
    _refuse_share("test", settings.test, settings)
    given = content.splits.among(used)
    if not len(given.validation):
        return splits.with_validation(given, labels, validation, seed)
    _refuse_share("validation", settings.validation, settings)
    return given


def _refuse_share(key: str, share: float | None, settings: DataSettings) -> None:
    if share is not None:
        raise UserError(
            f"config key 'data.{key}' is {share:g}, but {settings.name} has its own splits: "
            "remove the key (data.fraction makes all parts smaller)"
        )
