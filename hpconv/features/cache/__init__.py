"""The feature cache: blocks of features on disk, keyed by what determines them."""
