"""hpconv: search convolutional feature extractors on a cluster."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpconv.export.estimators import FilterbankFeatures, WinnerClassifier, WinnerFeatures

__all__ = ["FilterbankFeatures", "WinnerClassifier", "WinnerFeatures"]
__version__ = "0.1.0"

# The engine runs PyTensor graphs on its own kernels (hpconv.engines): looking for a C++
# compiler at every import would cost time, and a warning where there is none.
os.environ.setdefault("PYTENSOR_FLAGS", "cxx=")


def __getattr__(name: str) -> Any:
    """Import the estimators when they are used: they need large libraries."""
    if name in __all__:
        return getattr(import_module("hpconv.export.estimators"), name)
    raise AttributeError(f"module 'hpconv' has no attribute '{name}'")
