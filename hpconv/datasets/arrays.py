"""The user's images as arrays of the form that pipelines take."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hpconv.errors import UserError

# raised by numpy on damaged files; TypeError on an array, which has no __exit__
DAMAGED = (OSError, EOFError, ValueError, LookupError, BadZipFile, zlib.error, TypeError)
MIN_SIZE = 16  # pixels; in smaller images most candidates have nothing to pool
LUMINANCE = np.array([0.299, 0.587, 0.114])  # weights of R, G and B, ITU-R BT.601


def read_npy(path: Path) -> np.ndarray:
    """Images of a .npy file as ``(N, C, H, W)``, uint8 or float32 in [0, 1].

    The file may hold ``(N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)`` with 1 or 3 channels.

    Raises:
        UserError: when it holds anything else, or images that are not square or too small.
    """
    try:
        with path.open("rb") as file:
            images = np.lib.format.read_array(file, allow_pickle=False)
    except DAMAGED as error:
        raise UserError(f"{path} is not a readable .npy file: {error}") from error
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    _check_shape(path, images)
    return np.ascontiguousarray(images if images.dtype == np.uint8 else as_unit_float(path, images))


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


def _check_shape(path: Path, images: np.ndarray) -> None:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise UserError(
            f"{path} has shape {images.shape}, which must be (N, H, W), (N, C, H, W) or "
            "(N, H, W, C) with one or three channels"
        )
    height, width = images.shape[2:]
    if height != width or height < MIN_SIZE:
        raise UserError(
            f"images of {path} have {height}x{width} pixels, they must be square and at least "
            f"{MIN_SIZE}x{MIN_SIZE}"
        )


def as_unit_float(path: Path, images: np.ndarray) -> np.ndarray:
    """Check that images are floats in [0, 1], and convert them to float32.

    Raises:
        UserError: when they are of another type, or a value is outside.
    """
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"{path} holds {images.dtype} images, which must be uint8 or float")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise UserError(f"{path} holds values from {low:g} to {high:g}, floats must be in [0, 1]")
    return images.astype("float32")


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Convert images ``(N, C, H, W)`` to 1 or 3 channels; images that have them are unchanged."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=1)
    gray = np.tensordot(images, LUMINANCE, axes=(1, 0))[:, None]
    return np.rint(gray).astype("uint8") if images.dtype == np.uint8 else gray.astype("float32")
