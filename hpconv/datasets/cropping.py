"""Converts images of any mode and size to squares of one size with one or three channels.

An image is resized, antialiased, so that its shorter side has the requested number of pixels, and
the centre square is kept. Transparent pixels become white, colour becomes gray by luminance
(ITU-R BT.601), and gray of 16 bits or floats becomes 8-bit, from a range of values.
"""

import numpy as np
from PIL import Image

from hpconv.config.rules import Channels
from hpconv.datasets.arrays import MIN_SIZE, RANGE_ADVICE, scaled_to_unit
from hpconv.datasets.decoding import ValueRange
from hpconv.errors import UserError

SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # modes of Pillow
WHITE_16_BITS = 65535
GRAY = ("1", "L", "LA", "F", *SIXTEEN_BITS)


def pillow_mode(channels: Channels, gray: bool) -> str:
    """Pillow's mode of the squares, L or RGB; its length is the number of channels.

    Args:
        gray: whether all images are gray.
    """
    return "L" if channels == "gray" or (channels == "auto" and gray) else "RGB"


def centre_square(
    image: Image.Image, size: int, mode: str, *, value_range: ValueRange | None = None
) -> np.ndarray:
    """The centre of an image as ``(C, size, size)`` uint8.

    Args:
        value_range: values that become 0 and 255, of images with other than 8 bits.

    Raises:
        ValueError: when it has other than 8 bits and no range is given, or values that are no
            numbers.
    """
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    box = (left, top, left + side, top + side)
    plain = _opaque(_eight_bits(image, value_range))
    if plain.mode != mode:  # convert() would copy it
        plain = plain.convert(mode)
    square = plain.resize((size, size), Image.Resampling.BICUBIC, box)
    return np.atleast_3d(np.asarray(square)).transpose(2, 0, 1)


def square_size(wanted: int | None, smallest: tuple[int, int], name: str) -> int:
    """Side of the squares in pixels: ``data.size``, or the shorter side of the smallest image.

    Args:
        wanted: ``data.size``.
        smallest: width and height of the smallest image.
        name: of the smallest image.

    Raises:
        UserError: when the squares would be smaller than MIN_SIZE.
    """
    size = wanted or min(smallest)
    if size < MIN_SIZE:
        raise UserError(
            f"config key 'data.size' is null and {name} has {smallest[0]}x{smallest[1]} pixels: "
            f"set it to {MIN_SIZE} or more"
        )
    return size


def white_of(largest: int) -> int:
    """The largest value of the fewest bits, at least eight, that hold a value."""
    return int(2 ** max(8, largest.bit_length()) - 1)


def _eight_bits(image: Image.Image, value_range: ValueRange | None) -> Image.Image:
    if image.mode != "F" and image.mode not in SIXTEEN_BITS:
        return image
    if value_range is None:
        raise ValueError(f"pixels have a range that is not known: {RANGE_ADVICE}")
    scaled = scaled_to_unit(np.asarray(image), value_range)
    return Image.fromarray(np.rint(255 * scaled).astype("uint8"))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA"))
