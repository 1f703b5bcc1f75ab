"""Features of a whole data set, extracted once into a cache that all experiments share."""

from hpconv.features.cache.view import opened, read_failure, write_failure
from hpconv.features.extract import extract, extracted, write_features

__all__ = ["extract", "extracted", "opened", "read_failure", "write_failure", "write_features"]
