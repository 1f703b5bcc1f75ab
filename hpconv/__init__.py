"""hpconv: search convolutional feature extractors on a cluster."""

import os

__version__ = "0.1.0"

# The engine runs PyTensor graphs on its own kernels (hpconv.engines): looking for a C++
# compiler at every import would cost time, and a warning where there is none.
os.environ.setdefault("PYTENSOR_FLAGS", "cxx=")
