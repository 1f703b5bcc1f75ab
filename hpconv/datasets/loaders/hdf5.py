"""The user's own HDF5 file of images and labels, read block by block."""

import logging
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from hpconv.config import DataSettings
from hpconv.datasets import user_data
from hpconv.datasets.arrays import MAX_CHANNELS, MIN_SIZE, as_unit_float, channels_first
from hpconv.datasets.blocks import block_rows
from hpconv.datasets.cropping import centre_square, pillow_mode, square_size
from hpconv.datasets.data_file import Splits
from hpconv.datasets.data_writer import Content, ImageSink, ImageWriter
from hpconv.datasets.decoding import Decoding, ValueRange

log = logging.getLogger(__name__)


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images of ``images`` in the order of the file.

    The file has ``images`` ``(N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)``, uint8, floats in
    [0, 1], or any numbers with ``data.value_range``; ``labels`` ``(N,)``, integers or strings; and
    optionally the row numbers ``train``, ``validation`` and ``test``, all or none.

    Raises:
        UserError: when the file holds anything else.
    """
    path = user_data.required_path(settings, "an HDF5 file with images and labels", h5py.is_hdf5)
    with opened(path) as file:
        for name in ("images", "labels"):
            if not _has(file, name):
                raise user_data.path_error(path, f"has no data set '{name}'")
        labels, classes = user_data.encode_labels(read_labels(path, file))
        splits = _splits(path, file, labels, classes)
        write_images(path, file["images"], settings, writer)
    names = [f"row {number}" for number in range(len(labels))]
    return Content(labels, classes, splits, names=names)


def opened(path: Path) -> h5py.File:
    """Open a file of the user's.

    Raises:
        UserError: when it is damaged, or another program writes to it.
    """
    try:
        return h5py.File(path)
    except BlockingIOError:  # HDF5 locks a file that is written
        reason = "is open for writing in another process: close that, then try again"
    except OSError as error:
        reason = f"cannot be opened: {error}"
    raise user_data.path_error(path, reason)


def _has(file: h5py.File, name: str) -> bool:
    return isinstance(file.get(name), h5py.Dataset)


def read_labels(path: Path, file: h5py.File) -> np.ndarray:
    """The labels ``(N,)``, integers or strings.

    Raises:
        UserError: when they are something else.
    """
    labels = file["labels"]
    if labels.ndim != 1 or labels.shape != file["images"].shape[:1] or not len(labels):
        raise user_data.path_error(
            path,
            f"has labels {labels.shape} and images {file['images'].shape}: "
            "there must be one label for each image",
        )
    if h5py.check_string_dtype(labels.dtype):
        labels = labels.asstr()
    elif not np.issubdtype(labels.dtype, np.integer):
        raise user_data.path_error(
            path, f"has labels of type {labels.dtype}, which must be integers or strings"
        )
    try:
        return labels[()]
    except UnicodeDecodeError as error:
        raise user_data.path_error(path, f"has labels that are not UTF-8: {error}") from error


def _splits(
    path: Path, file: h5py.File, labels: np.ndarray, classes: tuple[str, ...]
) -> Splits | None:
    parts = {name: np.unique(file[name][()]) for name in user_data.PARTS if _has(file, name)}
    if 0 < len(parts) < len(user_data.PARTS):
        raise user_data.path_error(
            path,
            f"has only the parts {', '.join(parts)}: "
            f"write all of {', '.join(user_data.PARTS)}, or none",
        )
    if parts:
        _check_rows(path, np.concatenate(list(parts.values())), len(labels))
    return user_data.splits_of_parts(path, labels, classes, parts)


def _check_rows(path: Path, rows: np.ndarray, total: int) -> None:
    if not np.issubdtype(rows.dtype, np.integer) or not ((rows >= 0) & (rows < total)).all():
        raise user_data.path_error(
            path, f"has train, validation or test that are not row numbers from 0 to {total - 1}"
        )
    if len(np.unique(rows)) < len(rows):
        raise user_data.path_error(path, "has rows that are in two of train, validation and test")


def write_images(
    path: Path, source: h5py.Dataset, settings: DataSettings, writer: ImageSink
) -> None:
    """Write images as centre squares, block by block.

    Raises:
        UserError: when the data set has another shape or values.
    """
    first = _channels_first(path, source.shape, settings.layout)
    height, width, channels = _channels_last(source[:1], first).shape[1:]
    size = square_size(settings.size, (width, height), str(path))
    if not settings.size and height != width:
        log.info(
            f"Images have {width}x{height} pixels: their centre squares of {size}x{size} are kept"
        )
    mode = pillow_mode(settings.channels, channels == 1)
    if channels not in (1, 3):
        log.info(f"Images have {channels} channels, all of which are kept")
    if settings.channels != "auto" and (channels not in (1, 3) or settings.channels == "pages"):
        raise user_data.path_error(
            path, f"has images of {channels} channels: write 'data.channels: auto'"
        )
    writer.decoding = Decoding(settings.value_range)
    step = block_rows((channels, height, width))
    for start in range(0, len(source), step):
        block = _channels_last(
            _eight_bits(path, source[start : start + step], settings.value_range), first
        )
        writer.append(np.stack([_square(array, size, mode) for array in block]))


def image_shape(path: Path, source: h5py.Dataset, layout: str) -> tuple[int, int, int]:
    """Height, width and channels of images.

    Args:
        layout: ``data.layout``.

    Raises:
        UserError: when the data set has another shape, or its layout is unclear.
    """
    first = _channels_first(path, source.shape, layout)
    height, width, channels = _channels_last(source[:1], first).shape[1:]
    return height, width, channels


def _channels_first(path: Path, shape: tuple[int, ...], layout: str) -> bool:
    """Whether images have their channels first; images without channels have neither."""
    first = channels_first(shape, layout) if len(shape) == 4 else None
    if first is None and len(shape) != 3:
        raise user_data.path_error(
            path,
            f"has images {shape}, which must be (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 to "
            f"{MAX_CHANNELS} channels and {MIN_SIZE} or more pixels: write 'data.layout: first' or "
            "'data.layout: last' if both are possible",
        )
    return bool(first)


def _channels_last(images: np.ndarray, first: bool) -> np.ndarray:
    if images.ndim == 3:
        return images[..., None]
    return images.transpose(0, 2, 3, 1) if first else images


def _square(array: np.ndarray, size: int, mode: str) -> np.ndarray:
    """The centre of an array ``(H, W, C)`` as ``(C, size, size)``, one channel after another."""
    if array.shape[2] in (1, 3):
        return centre_square(_image(array), size, mode)
    bands = np.moveaxis(array, 2, 0)[..., None]
    return np.concatenate([centre_square(_image(band), size, "L") for band in bands])


def _eight_bits(path: Path, block: np.ndarray, value_range: ValueRange | None) -> np.ndarray:
    if block.dtype == np.uint8:
        return block
    return np.rint(as_unit_float(path, block, value_range) * 255).astype("uint8")


def _image(array: np.ndarray) -> Image.Image:
    """An array ``(H, W, C)`` as an image; Pillow's gray images have no channel axis."""
    return Image.fromarray(np.ascontiguousarray(array.squeeze(2) if array.shape[2] == 1 else array))
