"""Features of a whole data set, extracted once into a cache that all experiments share."""

from hpconv.features.extraction import extract, write_features
from hpconv.features.linked import opened

__all__ = ["extract", "opened", "write_features"]
