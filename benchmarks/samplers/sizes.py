"""Whether sizes and warp allow a candidate, as ``hpconv.model.pipeline.describe``, but sooner."""

from collections.abc import Mapping
from math import cos, sin
from typing import Any

import numpy as np

from hpconv.config import ModelSettings
from hpconv.model.pipeline import MAX_BACKGROUND

Values = Mapping[str, Any]
SIZES = ("input", "map", "filtered", "a filter's features", "filters")


def sizes(values: Values, image_shape: tuple[int, ...], model: ModelSettings) -> list[float] | None:
    """What ``SIZES`` names, of a candidate; None for one that is refused."""
    size = model.output_sizes[values["warp_osize"]]
    depth, kind = divmod(values["exit"], 3)
    side, channels = size, image_shape[0]
    for layer in range(depth):
        channels = int(values[f"l{layer}fb_nfilters"])
        side += 1 - int(values[f"l{layer}fb_size"])
        side = -(-(side + 1 - int(values[f"l{layer}p_size"])) // (1 + values[f"l{layer}p_stride"]))
        if min(side, channels) < 1 or channels * side**2 > model.max_row_elements:
            return None
    exit_sizes = (_gridpool, _lpool_alpha, _lpool)[kind](values, depth, side)
    if exit_sizes is None or _empty(values, image_shape[-1], size) > MAX_BACKGROUND:
        return None
    filtered, per_filter = exit_sizes
    filters = model.max_n_features // per_filter
    return [size, side, filtered, per_filter, filters] if filters else None


def _gridpool(values: Values, depth: int, side: int) -> tuple[int, int] | None:
    filtered = side + 1 - int(values[f"l{depth}eg_fsize"])
    cells = 2 + values[f"l{depth}eg_res"]
    return (filtered, 2 * cells**2) if filtered >= cells else None


def _lpool_alpha(values: Values, depth: int, side: int) -> tuple[int, int] | None:
    prefix = f"l{depth}elpa"
    filtered = side + 1 - int(values[f"{prefix}_fsize"])
    pooled = -(
        -(filtered + 1 - int(values[f"{prefix}_lpsize"])) // (1 + values[f"{prefix}_stride"])
    )
    return (filtered, 2 * pooled**2) if min(filtered, pooled) > 0 else None


def _lpool(values: Values, depth: int, side: int) -> tuple[int, int] | None:
    prefix = f"l{depth}_out_lp"
    filtered = side + 1 - int(values[f"{prefix}_fsize"])
    pooled = -(-(filtered + 1 - int(values[f"{prefix}_psize"])) // (1 + values[f"{prefix}_stride"]))
    window = int(values[f"{prefix}_nsize"])
    if min(filtered, pooled, pooled - window + 1) < 1:
        return None
    if values[f"{prefix}_use_norm"] and window == 1:
        return None
    return filtered, (pooled - window + 1) ** 2


def _empty(values: Values, image_size: int, size: int) -> float:
    """The share of the warped image that lies outside the original."""
    if not values["warp"]:
        return 0.0
    rotation, tilt = values["warp_rot"], values["warp_rot"] + values["warp_shear"]
    x, y = (values[f"warp_scale_{axis}"] * size / image_size for axis in "hv")
    forward = np.array([[x * cos(rotation), -y * sin(tilt)], [x * sin(rotation), y * cos(tilt)]])
    shift = [values[f"warp_trans_{axis}"] * size for axis in "hv"]
    places = np.mgrid[:size, :size].reshape(2, -1).T[:, ::-1] - shift
    source = places @ np.linalg.inv(forward).T
    return float(1 - np.mean(((source > -1) & (source < image_size)).all(axis=1)))
