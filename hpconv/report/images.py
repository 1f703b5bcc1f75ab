"""Small images of arrays, as data URIs for the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

TILE = 48  # approximate side of a filter or a map in pixels
THUMBNAIL = 96  # largest side of an image in pixels
CRISP = 48  # side in pixels up to which images are enlarged without loss; others are JPEG
STRIP = 44  # height in pixels of images side by side
COLUMNS = 8
GAP = 5  # transparent pixels between tiles
LEVELS = 25  # shades of a tile, odd for a middle one; more would enlarge the page
JPEG_QUALITY = 82
BANDS = (0, 1, 2)  # by default


@dataclass(frozen=True)
class Picture:
    """An image in the page.

    Attributes:
        src: data URI.
        width, height: in pixels of the page.
        alt: description in words.
    """

    src: str
    width: int
    height: int
    alt: str


def thumbnail(image: np.ndarray, alt: str, bands: Sequence[int] = BANDS) -> Picture:
    """An image ``(C, H, W)`` uint8, THUMBNAIL pixels at most; bands as in ``strip``."""
    pixels = _visible(image, bands)
    size = len(pixels)
    if size <= CRISP:
        return _picture(Image.fromarray(_enlarged(pixels, THUMBNAIL // size).squeeze()), alt)
    side = min(size, THUMBNAIL)
    photo = Image.fromarray(pixels.squeeze())
    return _picture(photo.resize((side, side), Image.Resampling.LANCZOS), alt, "jpeg")


def strip(images: Sequence[np.ndarray], bands: Sequence[int] = BANDS) -> Image.Image:
    """Images ``(C, H, W)`` uint8 side by side, each STRIP pixels high.

    Args:
        bands: channels that are shown as red, green and blue if there are more than three; of two
            channels, the first is shown.
    """
    canvas = Image.new("RGB", (len(images) * (STRIP + 1) - 1, STRIP), "white")
    for number, image in enumerate(images):
        photo = Image.fromarray(_visible(image, bands).squeeze()).resize((STRIP, STRIP))
        canvas.paste(photo, (number * (STRIP + 1), 0))
    return canvas


def jpeg(image: Image.Image, alt: str) -> Picture:
    """An image for the page."""
    return _picture(image, alt, "jpeg")


def _visible(image: np.ndarray, bands: Sequence[int]) -> np.ndarray:
    """An image ``(C, H, W)`` as ``(H, W, 1 or 3)``."""
    shown = image[list(bands)] if len(image) > 3 else image[:1] if len(image) == 2 else image
    return shown.transpose(1, 2, 0)


def filters(bank: np.ndarray, alt: str) -> Picture:
    """Filters ``(K, C, s, s)`` side by side, in colour for three channels, else gray.

    The middle of the scale is 0, its ends are plus and minus the filter's largest absolute
    weight. For other than one or three channels, the mean is shown.
    """
    weights = bank.transpose(0, 2, 3, 1)
    if weights.shape[-1] != 3:
        weights = weights.mean(axis=-1, keepdims=True)
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    return _mosaic((1 + weights / np.where(largest > 0, largest, 1)) / 2, alt)


def maps(stack: np.ndarray, alt: str) -> Picture:
    """Maps ``(n, h, w)`` side by side, each scaled from its minimum (black) to its maximum."""
    low, high = stack.min(axis=(1, 2), keepdims=True), stack.max(axis=(1, 2), keepdims=True)
    scaled = (stack - low) / np.where(high > low, high - low, 1)
    return _mosaic(scaled[..., None], alt)


def shares(matrix: np.ndarray, colour: tuple[int, int, int], alt: str) -> Picture:
    """A matrix of shares in [0, 1] as one colour; opacity is the square root of the share."""
    opacity = np.rint(255 * np.sqrt(matrix)).astype("uint8")[..., None]
    ink = np.broadcast_to(np.array(colour, "uint8"), (*matrix.shape, 3))
    pixels = np.concatenate([ink, opacity], axis=-1)
    return _picture(Image.fromarray(_enlarged(pixels, max(1, 4 * THUMBNAIL // len(matrix)))), alt)


def _mosaic(tiles: np.ndarray, alt: str) -> Picture:
    """Tiles ``(n, s, s, c)`` in [0, 1], c being 1 or 3, in rows of COLUMNS."""
    shades = np.rint(tiles * (LEVELS - 1)) / (LEVELS - 1)
    sized = [_tile(tile) for tile in np.rint(255 * shades).astype("uint8")]
    side, columns = len(sized[0]), min(COLUMNS, len(sized))
    rows, step = -(-len(sized) // columns), side + GAP
    shape = (rows * step - GAP, columns * step - GAP, sized[0].shape[-1] + 1)
    canvas = np.zeros(shape, "uint8")
    for index, tile in enumerate(sized):
        top, left = step * (index // columns), step * (index % columns)
        canvas[top : top + side, left : left + side, :-1] = tile
        canvas[top : top + side, left : left + side, -1] = 255
    return _picture(Image.fromarray(canvas), alt)


def _tile(tile: np.ndarray) -> np.ndarray:
    """A tile ``(s, s, c)`` enlarged by a whole factor, or reduced, to about TILE pixels."""
    size = len(tile)
    if size <= TILE:
        return _enlarged(tile, round(TILE / size))
    smaller = Image.fromarray(tile.squeeze()).resize((TILE, TILE), Image.Resampling.BOX)
    return np.asarray(smaller).reshape(TILE, TILE, -1)


def _enlarged(pixels: np.ndarray, factor: int) -> np.ndarray:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _picture(image: Image.Image, alt: str, kind: str = "png") -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, quality=JPEG_QUALITY)
    src = f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Picture(src, *image.size, alt)
