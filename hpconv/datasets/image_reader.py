"""Reads image files in several threads: headers, or what a function makes of each file."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from hpconv.datasets.cropping import GRAY, SIXTEEN_BITS
from hpconv.datasets.image_formats import open_image

THREADS = 2
HEADERS_PER_BLOCK = 1000  # files

Result = TypeVar("Result")


@dataclass(frozen=True)
class Header:
    """Size in pixels, Pillow's colour mode and number of pages from the header of an image file."""

    width: int
    height: int
    mode: str
    pages: int

    @property
    def gray(self) -> bool:
        """Whether the image has no colours."""
        return self.mode in GRAY

    @property
    def deep(self) -> bool:
        """Whether the image has 16 bits."""
        return self.mode in SIXTEEN_BITS


class Reader:
    """Applies a function to files in several threads.

    Attributes:
        paths: of the files.
        reasons: of failures, by index of the file.
    """

    def __init__(self, paths: Sequence[Path], pool: ThreadPoolExecutor) -> None:
        self.paths, self._pool = paths, pool
        self.reasons: dict[int, str] = {}

    def blocks(
        self, read: Callable[[Path], Result], numbers: Sequence[int], length: int
    ) -> Iterator[dict[int, Result]]:
        """Results by index of the file, in the given order; failures are left out."""
        for start in range(0, len(numbers), length):
            results = self._pool.map(partial(self._try, read), numbers[start : start + length])
            if block := dict(found for found in results if found is not None):
                yield block

    def _try(self, read: Callable[[Path], Result], number: int) -> tuple[int, Result] | None:
        try:
            return number, read(self.paths[number])
        except Exception as error:  # damaged files raise exceptions of any class
            self.reasons[number] = _reason(error)
            return None


def headers(paths: Sequence[Path]) -> list[Header]:
    """The headers of image files, without those that cannot be read."""
    with reading(paths) as reader:
        blocks = reader.blocks(read_header, range(len(paths)), HEADERS_PER_BLOCK)
        return [found for block in blocks for found in block.values()]


@contextmanager
def reading(paths: Sequence[Path]) -> Iterator[Reader]:
    """A reader of files; images with too many pixels are failures."""
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield Reader(paths, pool)


def read_header(path: Path) -> Header:
    """The header of an image file."""
    with open_image(path) as image:
        return Header(*image.size, image.mode, page_count(image))


def page_count(image: Image.Image) -> int:
    """Pages of a TIFF file; 1 for other formats, whose frames are animations."""
    return getattr(image, "n_frames", 1) if image.format == "TIFF" else 1


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels: make it smaller"
    if "MAX_TEXT" in str(error):  # of Pillow's PNG reader
        return "has too much text in its metadata: save it without"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
