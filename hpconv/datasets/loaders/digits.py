"""Handwritten digits that come with scikit-learn: 1,797 gray images of 8x8 pixels."""

import numpy as np
from sklearn.datasets import load_digits

from hpconv.datasets import published
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.datasets.settings import DataSettings


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Hand over all images; there are no official splits."""
    published.refuse_changes(settings)
    bunch = load_digits()
    # 0..16 gray levels in the source
    writer.append(np.rint(bunch.images * (255 / 16)).astype("uint8")[:, None])
    return Content(bunch.target, tuple(map(str, bunch.target_names)))
