"""Engines turn a stage of typed layers into a function of images."""

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np

from hpconv.layers import Layer

Function = Callable[[np.ndarray], np.ndarray]

MODULES = {"cpu": "hpconv.engines.pytensor", "gpu": "hpconv.engines.torch"}


def compile_stage(stage: Sequence[Layer], n_channels: int, engine: str) -> Function:
    """Compile layers to a function of float32 images ``(N, n_channels, H, W)``.

    Args:
        engine: ``cpu``, ``gpu``, or ``auto`` for the gpu where there is one.
    """
    return import_module(MODULES[choose(engine)]).compile_stage(stage, n_channels)


def choose(engine: str) -> str:
    """The engine that a setting means on this machine."""
    return "cpu" if engine == "auto" else engine
