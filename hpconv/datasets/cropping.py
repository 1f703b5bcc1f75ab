"""Images of any kind and size become squares of one size, with one channel or three.

The one rule: an image is scaled, antialiased, so that its shorter side has the wanted number of
pixels, and the middle square of it is kept. What is transparent becomes white, colour becomes
gray by its luminance (ITU-R BT.601), and 16 bits become 8.
"""

import numpy as np
from PIL import Image

from hpconv.datasets.arrays import MIN_SIZE
from hpconv.errors import UserError

SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's names of kinds of pixels
GRAY = ("1", "L", "LA", "F", *SIXTEEN_BITS)


def pillow_mode(channels: str, gray: bool) -> str:
    """L or RGB, which have as many letters as channels, for auto, gray or rgb.

    Args:
        gray: whether all images are gray.
    """
    return "L" if channels == "gray" or (channels == "auto" and gray) else "RGB"


def centre_square(image: Image.Image, size: int, mode: str) -> np.ndarray:
    """The middle of an image as ``(C, size, size)`` uint8.

    Raises:
        ValueError: when its pixels are of a kind whose white is not known.
    """
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    box = (left, top, left + side, top + side)
    plain = _opaque(_eight_bits(image))
    if plain.mode != mode:  # or else it would be copied
        plain = plain.convert(mode)
    square = plain.resize((size, size), Image.Resampling.BICUBIC, box)
    return np.atleast_3d(np.asarray(square)).transpose(2, 0, 1)


def square_size(wanted: int | None, smallest: tuple[int, int], name: str) -> int:
    """The side of the squares: the wanted one, or else the shorter side of the smallest image.

    Args:
        smallest: its width and height.
        name: of the smallest image.

    Raises:
        UserError: when most pipelines would have nothing to pool in so small squares.
    """
    size = wanted or min(smallest)
    if size < MIN_SIZE:
        cause = f"{wanted}" if wanted else f"null and {name} has {smallest[0]}x{smallest[1]} pixels"
        raise UserError(f"config key 'data.size' is {cause}, it must be {MIN_SIZE} or more")
    return size


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("pixels are floats, whose white is not known")
    if image.mode not in SIXTEEN_BITS:
        return image
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError("pixels have more than 16 bits")
    return Image.fromarray(np.rint(levels / 257).astype("uint8"))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA"))
