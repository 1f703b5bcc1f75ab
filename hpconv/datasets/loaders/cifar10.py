"""CIFAR-10, Python version: colour images of 32x32 pixels in pickled batches.

Format: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import archives, published, splits
from hpconv.datasets.archives import Archive
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.errors import UserError

FOLDER = "cifar-10-batches-py"
ARCHIVE = Archive(
    "cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "md5:c58f30108f718f92721af3b95e74349a",
)
CHECKSUMS = {
    "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
    "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
    "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "md5:40351d587109b95175f43aff81a1287e",
    "batches.meta": "md5:5ff9c542aee3614f3951f8cda6e48888",
}
TRAIN, TEST = (5000,) * 10, (1000,) * 10  # images, class by class

RECONSTRUCT = np.empty(0).__reduce__()[0]  # its module name differs between NumPy versions
# the functions that a pickled batch may call
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class BatchUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain values only; any other function raises UnpicklingError."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it calls {module}.{name}") from None


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images batch by batch, the test batch last.

    Raises:
        UserError: when a file is missing or not the original.
    """
    published.refuse_changes(settings)
    folder = archives.unpacked_folder(settings, ARCHIVE, FOLDER)
    *training, test_batch, meta = (folder / name for name in CHECKSUMS)
    train = np.concatenate([_batch(path, writer) for path in training])
    test = _batch(test_batch, writer)
    published.check_counts(f"{folder}/data_batch_*", train, TRAIN)
    published.check_counts(f"{test_batch}", test, TEST)
    classes = tuple(name.decode() for name in _unpickled(meta)[b"label_names"])
    return Content(np.concatenate([train, test]), classes, splits.official(len(train), len(test)))


def _batch(path: Path, writer: ImageWriter) -> np.ndarray:
    """Write the images of a batch and return their labels."""
    batch = _unpickled(path)
    writer.append(batch[b"data"].reshape(-1, 3, 32, 32))  # red, green and blue planes
    return np.array(batch[b"labels"])


def _unpickled(path: Path) -> dict[bytes, Any]:
    archives.verify(path, CHECKSUMS[path.name])
    try:
        with path.open("rb") as file:
            return BatchUnpickler(file, encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is not a batch of images, {error}: replace it by the original file"
        ) from error
