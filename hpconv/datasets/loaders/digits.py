"""scikit-learn's handwritten digits: 1,797 gray images of 8x8 pixels."""

import numpy as np
from sklearn.datasets import load_digits

from hpconv.config import DataSettings
from hpconv.datasets import published
from hpconv.datasets.data_writer import Content, ImageWriter


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write all images; there are no official splits."""
    published.refuse_changes(settings)
    bunch = load_digits()
    # gray levels are 0 to 16
    writer.append(np.rint(bunch.images * (255 / 16)).astype("uint8")[:, None])
    return Content(bunch.target, tuple(map(str, bunch.target_names)))
