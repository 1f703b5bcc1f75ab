"""CPU kernels: chains of steps on a batch of images, fused into few passes."""

from hpconv.kernels.build import backend, threads
from hpconv.kernels.packed_filters import Fbcorr, Fbncc
from hpconv.kernels.passes import run_steps
from hpconv.kernels.steps import Gridpool, Lnorm, Lpool, LpoolAlpha, Step

__all__ = [
    "Fbcorr",
    "Fbncc",
    "Gridpool",
    "Lnorm",
    "Lpool",
    "LpoolAlpha",
    "Step",
    "run_steps",
    "backend",
    "threads",
]
