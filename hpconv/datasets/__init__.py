"""Data sets: a module for each kind of source, one layout for all of them."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import h5py

from hpconv.datasets import splits
from hpconv.datasets.data_file import Splits, verify
from hpconv.datasets.data_writer import Content, ImageWriter, write_content
from hpconv.datasets.settings import TEST, VALIDATION, DataSettings
from hpconv.errors import UserError
from hpconv.files import replacing

__all__ = ["DataSettings", "verify", "write"]

Loader = Callable[[DataSettings, ImageWriter], Content]

# the module that loads it, by the name in a configuration
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
    """Load a data set and write it to path, whole or not at all.

    Raises:
        UserError: when its files are not where they should be, or not what they should be.
    """
    loader: Loader = import_module(f"hpconv.datasets.loaders.{LOADERS[settings.name]}").load
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        content = loader(settings, ImageWriter(file))
        chosen = splits.subsample(
            _splits(settings, content), content.labels, settings.fraction, settings.seed
        )
        write_content(file, settings.name, content, chosen)


def _splits(settings: DataSettings, content: Content) -> Splits:
    shares = {"validation": settings.validation, "test": settings.test}
    if content.splits is None:
        validation = VALIDATION if settings.validation is None else settings.validation
        test = TEST if settings.test is None else settings.test
        if content.pairs is not None:
            return splits.disjoint_pairs(
                content.pairs, content.labels, validation, test, settings.seed
            )
        return splits.stratified(content.labels, validation, test, settings.seed)
    for key, share in shares.items():
        if share is not None:
            raise UserError(
                f"config key 'data.{key}' is {share:g}, but {settings.name} has splits of its own: "
                "leave it out (data.fraction makes all parts smaller)"
            )
    return content.splits
