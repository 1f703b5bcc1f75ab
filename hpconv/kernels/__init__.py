"""CPU kernels: a chain of steps over a batch of images, fused into few passes."""

from hpconv.kernels.banks import Fbcorr, Fbncc
from hpconv.kernels.fused import layer
from hpconv.kernels.library import path, threads
from hpconv.kernels.steps import Clip, Gridpool, Lnorm, Lpool, LpoolAlpha, Step

__all__ = [
    "Clip",
    "Fbcorr",
    "Fbncc",
    "Gridpool",
    "Lnorm",
    "Lpool",
    "LpoolAlpha",
    "Step",
    "layer",
    "path",
    "threads",
]
