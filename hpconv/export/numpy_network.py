"""Run a network written by ``hpconv export --format npz``. Requires only numpy.

This file can be copied and used alone: ``Network("winner.npz")(images)``. Maps are
``(N, C, H, W)``; windows lie completely inside of their map.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

EPSILON = 1e-4  # keeps divisors of normalisation away from zero
Layer = dict[str, Any]  # kind and parameters; of a filter layer, also its arrays


class Network:
    """Float32 images ``(N, C, H, W)`` in [0, 1] to ``features``, ``scores`` and ``label``."""

    def __init__(self, path: Path | str) -> None:
        with np.load(path) as arrays:
            self.arrays = dict(arrays)
        self.description = json.loads(str(self.arrays["description"]))

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        maps = images
        for number, layer in enumerate(self.description["layers"]):
            prefix = f"layer{number}_"
            bank = {
                k.removeprefix(prefix): v for k, v in self.arrays.items() if k.startswith(prefix)
            }
            maps = OPERATORS[layer["kind"]](maps, {**layer, **bank}).astype("float32")
        outputs = {"features": maps}
        return outputs | self._classify(maps) if "classes" in self.description else outputs

    def _classify(self, features: np.ndarray) -> dict[str, np.ndarray]:
        of = {name: self.arrays[f"classifier_{name}"] for name in ("mean", "scale", "labels")}
        scaled = (features.reshape(len(features), -1) - of["mean"]) / of["scale"]
        scores = scaled @ self.arrays["classifier_weights"] + self.arrays["classifier_bias"]
        return {"scores": scores, "label": of["labels"][scores.argmax(axis=1)]}


def warp(x: np.ndarray, layer: Layer) -> np.ndarray:
    """Bilinear warp: matrix maps (column, row, 1) of input to output; outside pixels are 0."""
    size, (height, width) = layer["size"], x.shape[2:]
    y, x_ = np.mgrid[:size, :size].reshape(2, -1)
    column, row, _ = np.linalg.inv(layer["matrix"]) @ [x_, y, np.ones(size**2)]
    out = np.zeros((*x.shape[:2], size**2))
    for down, right in np.ndindex(2, 2):
        r, c = np.floor(row).astype(int) + down, np.floor(column).astype(int) + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        weight = (1 - abs(row - r)) * (1 - abs(column - c)) * inside
        out += weight * x[:, :, np.where(inside, r, 0), np.where(inside, c, 0)]
    return np.clip(out, 0, 1).reshape(*x.shape[:2], size, size)


def filter_(x: np.ndarray, layer: Layer) -> np.ndarray:
    """``((p - m) / sqrt(q) - mean) . filters`` of every patch p; m is its mean or 0."""
    filters, size = layer["filters"].astype("float64"), layer["size"]
    offset = (filters * layer["mean"]).sum(axis=(1, 2, 3))[:, None, None]
    if layer["remove_mean"]:
        filters = filters - filters.mean(axis=(1, 2, 3), keepdims=True)
    _, ssq = window_statistics(x, size, layer["remove_mean"])
    q = np.maximum(ssq, layer["beta"]) if layer["hard_beta"] else ssq + layer["beta"]
    return correlate(x, filters.astype("float32")) / np.sqrt(q) - offset


def lpool(x: np.ndarray, layer: Layer) -> np.ndarray:
    """``max(sum x^p, 0)^(1/p)`` over windows, p being the order; sums alone where p is 1."""
    order = layer["order"]
    if order == 1:
        return pool(x, layer)
    return root(pool((x if order % 1 == 0 else np.abs(x)) ** order, layer), order)


def lpool_alpha(x: np.ndarray, layer: Layer) -> np.ndarray:
    """``lpool`` of ``max(x - alpha, 0)`` and ``max(-x - alpha, 0)``, stacked to 2C maps."""
    pools = [pool(powers, layer) for powers in rectified_powers(x, layer)]
    return root(np.concatenate(pools, axis=1), layer["order"])


def gridpool(x: np.ndarray, layer: Layer) -> np.ndarray:
    """``lpool_alpha`` over the g x g cells of a grid, flattened from (N, C, g, g, 2)."""
    pools = np.stack([grid_sum(p, layer["grid_res"]) for p in rectified_powers(x, layer)], axis=4)
    return root(pools, layer["order"]).reshape(len(x), -1)


def lnorm(x: np.ndarray, layer: Layer) -> np.ndarray:
    """``(centre pixel - mean) / (1e-4 + sqrt(ssq))``; the divisor is 1 below the threshold."""
    size = layer["ker_size"]
    mean, ssq = window_statistics(x, size, layer["remove_mean"])
    before, (rows, columns) = (size - 1) // 2, ssq.shape[2:]
    centre = x[:, :, before : before + rows, before : before + columns]
    divisor = EPSILON + np.sqrt(ssq)
    return (centre - mean) / np.where(divisor < layer["threshold"] + EPSILON, 1, divisor)


OPERATORS = {
    "warp": warp,
    "filter": filter_,
    "lpool": lpool,
    "lpool_alpha": lpool_alpha,
    "gridpool": gridpool,
    "lnorm": lnorm,
}


def window_statistics(
    x: np.ndarray, size: int, remove_mean: bool
) -> tuple[np.ndarray | float, np.ndarray]:
    """Mean (or 0) of each size x size x C window, and sum of squares about it (float64)."""
    wide = x.astype("float64")
    ssq = window_sum((wide**2).sum(axis=1, keepdims=True), size)
    if not remove_mean:
        return 0.0, ssq
    total = window_sum(wide.sum(axis=1, keepdims=True), size)
    mean = total / (x.shape[1] * size**2)
    return mean, np.maximum(ssq - total * mean, 0)


def correlate(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Correlation with filters ``(K, C, s, s)``: windows unrolled, image by image."""
    size = filters.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    (rows, columns), weights = windows.shape[2:4], filters.reshape(len(filters), -1)
    unrolled = (image.transpose(0, 3, 4, 1, 2).reshape(-1, rows * columns) for image in windows)
    return np.stack([(weights @ image).reshape(-1, rows, columns) for image in unrolled])


def window_sum(x: np.ndarray, size: int) -> np.ndarray:
    """Sums over size x size windows, of each map: ``(N, C, H-size+1, W-size+1)``."""
    for axis in (2, 3):
        x = np.lib.stride_tricks.sliding_window_view(x, size, axis).sum(axis=-1)
    return x


def pool(x: np.ndarray, layer: Layer) -> np.ndarray:
    """Window sums of every stride-th row and column."""
    return window_sum(x, layer["ker_size"])[:, :, :: layer["stride"], :: layer["stride"]]


def grid_sum(x: np.ndarray, grid_res: int) -> np.ndarray:
    """Sums over cells of H // g rows and columns; the last cells include the remainder."""
    for axis in (2, 3):
        starts = np.arange(grid_res) * (x.shape[axis] // grid_res)
        x = np.add.reduceat(x, starts, axis)
    return x


def rectified_powers(x: np.ndarray, layer: Layer) -> list[np.ndarray]:
    return [np.maximum(part - layer["alpha"], 0) ** layer["order"] for part in (x, -x)]


def root(x: np.ndarray, order: float) -> np.ndarray:
    return np.maximum(x, 0) ** (1 / order)
