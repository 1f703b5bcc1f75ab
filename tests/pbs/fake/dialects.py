"""The dialects by name."""

import importlib

from dialect import Dialect

CLASSES = {"openpbs": "OpenPBS", "torque": "Torque", "slurm": "Slurm"}


def dialect(name: str) -> Dialect:
    """A dialect; the commands are to start fast, so no other is imported."""
    found: Dialect = getattr(importlib.import_module(name), CLASSES[name])()
    return found
