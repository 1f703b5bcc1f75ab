"""Engines turn a stage of typed layers into a function of images."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import numpy as np

from hpconv.errors import UserError
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import BankRecipe, Filter, Layer, Lnorm, Lpool

Function = Callable[[np.ndarray], np.ndarray]

MODULES = {"cpu": "hpconv.engines.pytensor", "gpu": "hpconv.engines.torch"}
USE_CPU = "set 'model.engine: cpu'"


def compile_stage(stage: Sequence[Layer], n_channels: int, engine: str) -> Function:
    """Compile layers to a function of float32 images ``(N, n_channels, H, W)``.

    Args:
        engine: ``cpu``, ``gpu``, or ``auto`` for the GPU if there is one.

    Raises:
        UserError: for ``gpu`` if PyTorch or a CUDA device is missing.
    """
    return import_module(MODULES[choose(engine)]).compile_stage(stage, n_channels)


def warm_up(engine: str) -> None:
    """Compile kernels and initialise the device, so that the first images need not wait."""
    bank = FilterBank(np.zeros((1, 1, 1), "float32"), np.ones((1, 1, 2, 2), "float32"))
    recipe = BankRecipe("projections", seed=0)
    filters = Filter(1, 2, recipe, remove_mean=True, beta=1.0, hard_beta=False, bank=bank)
    stage = (filters, Lpool(ker_size=2, stride=1, order=2.0), Lnorm(2, True, threshold=1.0))
    compile_stage(stage, 1, engine)(np.zeros((1, 1, 8, 8), "float32"))


def choose(engine: str) -> Literal["cpu", "gpu"]:
    """Resolve a setting (``cpu``, ``gpu`` or ``auto``) to ``cpu`` or ``gpu`` on this machine.

    Raises:
        UserError: for ``gpu`` if PyTorch or a CUDA device is missing.
    """
    if engine == "cpu":
        return "cpu"
    obstacle = _obstacle_to_gpu()
    if engine == "gpu" and obstacle:
        raise UserError(f"config key 'model.engine' is 'gpu', but {obstacle}")
    return "cpu" if obstacle else "gpu"


def _obstacle_to_gpu() -> str | None:
    """Why the GPU cannot be used and how to fix it, or None."""
    if find_spec("torch") is None:
        return f"PyTorch is not installed: run pip install 'hpconv[gpu]', or {USE_CPU}"
    torch = import_module("torch")  # the import takes a second
    if torch.cuda.is_available():
        return None
    version = f"PyTorch {torch.__version__}"
    if torch.version.cuda is None:
        return f"{version} is built without CUDA: install a CUDA build, or {USE_CPU}"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    found = f"{version} finds no CUDA device (CUDA_VISIBLE_DEVICES is {visible!r})"
    return f"{found}: run on a machine with a GPU, or {USE_CPU}"
