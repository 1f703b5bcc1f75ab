"""The layers of a pipeline, with their parameters and output shapes, for any engine.

A shape is that of one example: ``(C, H, W)``, or ``(features,)`` after flattening.
``output_shape`` raises ``CandidateError``: ``map_too_small`` if a window does not fit a map,
``no_filters`` for a filterbank without filters. No image is needed to refuse such a candidate.
"""

from dataclasses import dataclass

from hpconv.errors import CandidateError
from hpconv.model.filterbanks import FilterBank

Shape = tuple[int, ...]
Matrix = tuple[tuple[float, float, float], ...]


def _shrink(shape: Shape, size: int, stride: int = 1) -> tuple[int, int]:
    """Rows and columns of a map after a strided size x size window."""
    rows, columns = (-(-(length - size + 1) // stride) for length in shape[1:])
    if min(rows, columns) < 1:
        reason = f"a {size}x{size} window does not fit a {shape[1]}x{shape[2]} map"
        raise CandidateError("map_too_small", reason)
    return rows, columns


@dataclass(frozen=True)
class Warp:
    """Affine resampling to size x size."""

    matrix: Matrix
    size: int

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.size, self.size)


@dataclass(frozen=True)
class BankRecipe:
    """Parameters of a filterbank; gamma and patch_seed are for the whitened kinds only."""

    kind: str
    seed: int
    normalize: bool = False
    gamma: float = 0.0
    patch_seed: int = 0


@dataclass(frozen=True)
class Filter:
    """Contrast-normalised correlation with a bank of n_filters square filters."""

    n_filters: int
    size: int
    recipe: BankRecipe
    remove_mean: bool
    beta: float
    hard_beta: bool
    bank: FilterBank | None = None  # learned from images by ``pipeline.learn``

    def output_shape(self, shape: Shape) -> Shape:
        if self.n_filters < 1:
            raise CandidateError("no_filters", "the feature budget leaves no filter for this map")
        return (self.n_filters, *_shrink(shape, self.size))


@dataclass(frozen=True, kw_only=True)
class Lpool:
    """Lp pooling over ker_size x ker_size windows."""

    ker_size: int
    order: float
    stride: int

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], *_shrink(shape, self.ker_size, self.stride))


@dataclass(frozen=True, kw_only=True)
class LpoolAlpha:
    """Lp pooling of the parts above alpha and below -alpha."""

    ker_size: int
    order: float
    stride: int
    alpha: float

    def output_shape(self, shape: Shape) -> Shape:
        return (2 * shape[0], *_shrink(shape, self.ker_size, self.stride))


@dataclass(frozen=True)
class GridPool:
    """Lp pooling of the parts above alpha and below -alpha over a coarse grid."""

    grid_res: int
    order: float
    alpha: float

    def output_shape(self, shape: Shape) -> Shape:
        _shrink(shape, self.grid_res)
        return (2 * shape[0] * self.grid_res**2,)


@dataclass(frozen=True)
class Lnorm:
    """Local contrast normalisation."""

    ker_size: int
    remove_mean: bool
    threshold: float

    def output_shape(self, shape: Shape) -> Shape:
        if self.ker_size == 1:
            # the published system refuses it too: searches must have the same space
            raise CandidateError("map_too_small", "local normalisation over a 1x1 window")
        return (shape[0], *_shrink(shape, self.ker_size))


Layer = Warp | Filter | Lpool | LpoolAlpha | GridPool | Lnorm
