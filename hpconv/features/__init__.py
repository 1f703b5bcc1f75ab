"""Features of a whole data set, extracted once into a cache that all experiments share."""

from hpconv.features.cache.view import opened
from hpconv.features.extract import extract, write_features

__all__ = ["extract", "opened", "write_features"]
