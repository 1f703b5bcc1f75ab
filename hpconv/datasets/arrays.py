"""The user's images as arrays of the form that pipelines take."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hpconv.datasets.decoding import ValueRange
from hpconv.errors import UserError

# raised by numpy on damaged files; TypeError on an array, which has no __exit__
DAMAGED = (OSError, EOFError, ValueError, LookupError, BadZipFile, zlib.error, TypeError)
MAX_CHANNELS = 64
MIN_SIZE = 16  # pixels; in smaller images most candidates have nothing to pool
RANGE_ADVICE = "write 'data.value_range: [LOW, HIGH]', the values that become 0 and 255"
LUMINANCE = np.array([0.299, 0.587, 0.114])  # weights of R, G and B, ITU-R BT.601


def load_npy(path: Path) -> np.ndarray:
    """The array in a .npy file.

    Raises:
        UserError: when it is not one, or damaged.
    """
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except DAMAGED as error:
        raise UserError(f"{path} is not a readable .npy file: {error}") from error


def read_npy(path: Path, value_range: ValueRange | None = None) -> np.ndarray:
    """Images of a .npy file as ``(N, C, H, W)``, uint8 or float32 in [0, 1].

    The file may hold ``(N, H, W)``, ``(N, C, H, W)`` or, if that is not possible, ``(N, H, W, C)``.

    Args:
        value_range: as ``as_unit_float``.

    Raises:
        UserError: when it holds anything else, or images that are not square or too small.
    """
    images = as_images(load_npy(path), str(path), value_range)
    if images.shape[-1] < MIN_SIZE:
        raise UserError(
            f"images of {path} have {images.shape[2]}x{images.shape[3]} pixels, they must be at "
            f"least {MIN_SIZE}x{MIN_SIZE}"
        )
    return images


def as_images(images: np.ndarray, name: str, value_range: ValueRange | None = None) -> np.ndarray:
    """Square images as ``(N, C, H, W)``, uint8 or float32 in [0, 1].

    Args:
        images: ``(N, H, W)``, ``(N, C, H, W)`` or, if that is not possible, ``(N, H, W, C)``.
        name: of the array, in messages.
        value_range: as ``as_unit_float``.

    Raises:
        UserError: when the array holds anything else.
    """
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and _channels_last(images.shape):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or not 0 < images.shape[1] <= MAX_CHANNELS or not len(images):
        raise UserError(
            f"{name} has shape {images.shape}, which must be (N, H, W), (N, C, H, W) or "
            f"(N, H, W, C) with 1 to {MAX_CHANNELS} channels"
        )
    height, width = images.shape[2:]
    if height != width:
        raise UserError(f"images of {name} have {height}x{width} pixels, they must be square")
    if images.dtype != np.uint8:
        images = as_unit_float(name, images, value_range)
    return np.ascontiguousarray(images)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, by name.

    Raises:
        UserError: when it is not one, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except DAMAGED as error:
        raise UserError(f"{path} is damaged or no archive of arrays (.npz): {error}") from error


def channels_first(shape: tuple[int, ...], layout: str) -> bool | None:
    """Whether images ``(N, a, b, c)`` have their channels first; None if it cannot be told.

    Args:
        layout: ``data.layout``.
    """
    first = shape[1] <= MAX_CHANNELS and min(shape[2:]) >= MIN_SIZE
    last = shape[3] <= MAX_CHANNELS and min(shape[1:3]) >= MIN_SIZE
    if layout != "auto":
        return layout == "first" if (first if layout == "first" else last) else None
    return first if first != last else None


def _channels_last(shape: tuple[int, ...]) -> bool:
    return channels_first(shape, "auto") is False or shape[1] == shape[2] != shape[3]


def as_unit_float(
    name: Path | str, images: np.ndarray, value_range: ValueRange | None = None
) -> np.ndarray:
    """Images as float32 in [0, 1].

    Args:
        value_range: values that become 0 and 1, of integers or floats; None for floats that must be
            in [0, 1].

    Raises:
        UserError: when they are of another type, a value is outside, or no number.
    """
    if value_range is not None and images.dtype.kind in "iuf":
        try:
            return scaled_to_unit(images, value_range)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from None
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(
            f"{name} holds {images.dtype} images, which must be uint8 or float: {RANGE_ADVICE}"
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise UserError(
            f"{name} holds values from {low:g} to {high:g}, floats must be in [0, 1]: "
            f"{RANGE_ADVICE}"
        )
    return images.astype("float32")


def scaled_to_unit(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Values as float32 in [0, 1]: 0 up to the low end of a range, 1 from its high end on.

    Raises:
        ValueError: when a value is infinite or not a number.
    """
    low, high = value_range
    if not np.isfinite(values).all():
        raise ValueError("values are infinite or not a number: replace them")
    return np.clip((values.astype("float64") - low) / (high - low), 0, 1).astype("float32")


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Convert images ``(N, C, H, W)`` from 1 to 3 channels or back; others must have them.

    Raises:
        UserError: when they have other channels.
    """
    if images.shape[1] == channels:
        return images
    if {images.shape[1], channels} != {1, 3}:
        raise UserError(
            f"images have {images.shape[1]} channels, those of the search {channels}: write images "
            "with the same channels"
        )
    if channels == 3:
        return np.repeat(images, 3, axis=1)
    gray = np.tensordot(images, LUMINANCE, axes=(1, 0))[:, None]
    return np.rint(gray).astype("uint8") if images.dtype == np.uint8 else gray.astype("float32")
