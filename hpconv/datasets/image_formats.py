"""The image formats that Pillow may open, in one place for all loaders.

Left out are EPS and PostScript, which are programs that Pillow runs in Ghostscript; WMF, which it
draws on Windows only; and formats that it recognises but cannot decode (BUFR, GRIB, HDF5, MPEG).
"""

from functools import cache
from pathlib import Path

from PIL import Image

FORMATS = (
    *("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "QOI", "DIB", "ICO"),
    *("ICNS", "PSD", "DDS", "PCX", "DCX", "SGI", "SUN", "FITS", "IM", "MSP", "XBM", "XPM", "TGA"),
)  # in the order in which they are tried


def open_image(path: Path) -> Image.Image:
    """Open an image file and read its header.

    Raises:
        PIL.UnidentifiedImageError: when the file has none of the formats.
    """
    return Image.open(path, formats=_available())


def has_image_name(path: Path) -> bool:
    """Whether a file's suffix is that of an image format."""
    return path.suffix.lower() in _suffixes()


@cache
def _available() -> tuple[str, ...]:
    Image.init()  # registers all formats of the installed Pillow
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def _suffixes() -> frozenset[str]:
    available = _available()
    registered = Image.registered_extensions()
    return frozenset(suffix for suffix, name in registered.items() if name in available)
