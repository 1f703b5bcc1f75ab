"""Nested values of one pipeline, as ``space.evaluate`` returns them for an assignment.

Sizes and numbers of filters are integers stored as floats, as hyperopt draws them. Flags are 0 or
1.
"""

from typing import Literal, NotRequired, TypedDict


class ChosenAffine(TypedDict):
    """Affine transform; angles in radians, shifts as fractions of the warped image's size."""

    rotation: float
    shear: float
    scale: list[float]  # horizontal, vertical
    translation: list[float]  # horizontal, vertical


class ChosenWarp(TypedDict):
    """Resampling of the input image to size x size pixels."""

    size: int
    affine: ChosenAffine


class ChosenBank(TypedDict):
    """Arguments of ``layers.BankRecipe``."""

    kind: str
    seed: int
    normalize: NotRequired[bool]
    gamma: NotRequired[float]
    patch_seed: NotRequired[int]


class ChosenFilter(TypedDict):
    """Filter layer; in an exit, the feature budget sets the number of filters."""

    size: float
    bank: ChosenBank
    remove_mean: int
    beta: float
    hard_beta: int


class StackedFilter(ChosenFilter):
    """Filter layer below the exit."""

    n_filters: float


class StackedPool(TypedDict):
    """Lp pooling below the exit."""

    ker_size: float
    stride: int
    order: float


class ChosenLpool(StackedPool):
    """Lp pooling of an exit."""

    kind: Literal["lpool"]


class ChosenLpoolAlpha(StackedPool):
    """Arguments of ``layers.LpoolAlpha``."""

    kind: Literal["lpool_alpha"]
    alpha: float


class ChosenGridPool(TypedDict):
    """Arguments of ``layers.GridPool``."""

    kind: Literal["gridpool"]
    grid_res: int
    alpha: float
    order: float


ExitPool = ChosenLpool | ChosenLpoolAlpha | ChosenGridPool


class NormSettings(TypedDict):
    """Parameters of a local contrast normalisation, except its size."""

    remove_mean: int
    threshold: float


class ChosenNorm(TypedDict):
    """Local contrast normalisation of an exit; settings None for none."""

    ker_size: float
    settings: NormSettings | None


class StackedLayer(TypedDict):
    """Filter layer and pooling below the exit."""

    filter: StackedFilter
    pool: StackedPool


class ChosenClassifier(TypedDict):
    """Regularisation and feature scaling."""

    remove_std0: int
    varthresh: float
    l2_reg: float
    divrowl2: int


class ChosenPipeline(TypedDict):
    """All layers of a pipeline: warp, stacked layers, and the exit's four entries."""

    warp: ChosenWarp
    stack: list[StackedLayer]
    filter: ChosenFilter
    pool: ExitPool
    norm: ChosenNorm | None
    classifier: ChosenClassifier
