"""The steps that kernels run, and their grouping into fused passes.

These are the operators that a layer uses; parameters are those of ``hpconv.engines.operators``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpconv.kernels.packed_filters import Bank, Fbcorr, Fbncc

Windows = tuple[np.ndarray, np.ndarray]  # first row (or column) of each window, and its end


@dataclass(frozen=True)
class Lnorm:
    """Local contrast normalisation over ker_size x ker_size windows of all channels."""

    ker_size: int
    remove_mean: bool
    threshold: float


class _Strided:
    """Windows of ker_size pixels, every stride pixels."""

    ker_size: int
    stride: int

    def windows(self, length: int) -> Windows:
        """The windows over an axis of that many pixels."""
        if length < self.ker_size:
            raise ValueError(f"a pooling window of {self.ker_size} does not fit {length} pixels")
        first = np.arange(0, length - self.ker_size + 1, self.stride)
        return first, first + self.ker_size


@dataclass(frozen=True, kw_only=True)
class Lpool(_Strided):
    """Lp pooling: the plain sum for order 1, else of absolute values."""

    ker_size: int
    order: float
    stride: int

    parts = 1
    alpha = 0.0


@dataclass(frozen=True, kw_only=True)
class LpoolAlpha(_Strided):
    """Lp pooling of what exceeds alpha, then of what lies below -alpha: 2C channels."""

    ker_size: int
    order: float
    stride: int
    alpha: float

    parts = 2


@dataclass(frozen=True)
class Gridpool:
    """Lp pooling of the parts above alpha and below -alpha over a coarse grid."""

    grid_res: int
    order: float
    alpha: float

    parts = 2

    def windows(self, length: int) -> Windows:
        """The cells over an axis of that many pixels; the last takes the rest."""
        if length < self.grid_res:
            raise ValueError(f"a grid of {self.grid_res} does not fit {length} pixels")
        first = np.arange(self.grid_res) * (length // self.grid_res)
        return first, np.append(first[1:], length)


Pool = Lpool | LpoolAlpha | Gridpool
Step = Lnorm | Bank | Pool

SLOTS: dict[type, str] = {
    Lnorm: "norm",
    Fbcorr: "bank",
    Fbncc: "bank",
    Lpool: "pool",
    LpoolAlpha: "pool",
    Gridpool: "pool",
}
ORDER = ("norm", "bank", "pool")
NO_POOL = Lpool(ker_size=1, order=1, stride=1)


@dataclass
class Pass:
    """The steps of one pass."""

    norm: Lnorm | None = None
    bank: Bank | None = None
    pool: Pool = NO_POOL


def passes(steps: Sequence[Step]) -> list[Pass]:
    """The fewest passes that keep the order of the steps."""
    grouped: list[Pass] = []
    last = len(ORDER)
    for step in steps:
        slot = SLOTS[type(step)]
        if ORDER.index(slot) <= last:
            grouped.append(Pass())
        setattr(grouped[-1], slot, step)
        last = ORDER.index(slot)
    return grouped
