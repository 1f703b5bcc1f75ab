"""SVHN, Street View House Numbers: colour images of single digits, 32x32 pixels, MATLAB files.

Format: http://ufldl.stanford.edu/housenumbers
"""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from hpconv.config import DataSettings
from hpconv.datasets import archives, published, splits
from hpconv.datasets.archives import Archive
from hpconv.datasets.blocks import block_rows
from hpconv.datasets.data_writer import Content, ImageWriter

URL = "http://ufldl.stanford.edu/housenumbers"
FILES = (
    Archive("train_32x32.mat", f"{URL}/train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373"),
    Archive("test_32x32.mat", f"{URL}/test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3"),
)
# images, class by class
TRAIN = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
TEST = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the training images, then the test images; the extra set is not used.

    Raises:
        UserError: when a file is missing or not the original.
    """
    published.refuse_changes(settings)
    paths = archives.find_or_download(settings, FILES)
    train, test = (_part(path, writer) for path in paths)
    published.check_counts(f"{paths[0]}", train, TRAIN)
    published.check_counts(f"{paths[1]}", test, TEST)
    return Content(
        np.concatenate([train, test]),
        tuple("0123456789"),
        splits.official(len(train), len(test)),
    )


def _part(path: Path, writer: ImageWriter) -> np.ndarray:
    """Write the images of a file and return their labels; the file has 10 for the digit 0."""
    content = loadmat(path)
    pixels = content["X"]  # (row, column, colour, image)
    step = block_rows(pixels.shape[:3])
    for start in range(0, pixels.shape[-1], step):
        writer.append(pixels[..., start : start + step].transpose(3, 2, 0, 1))
    return content["y"].ravel().astype(int) % 10
