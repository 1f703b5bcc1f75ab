"""Decodes image files of any format and size into squares of one size (see ``cropping``)."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import ImageOps, ImageSequence

from hpconv.config import DataSettings
from hpconv.config.rules import Channels
from hpconv.datasets.arrays import MAX_CHANNELS, RANGE_ADVICE
from hpconv.datasets.blocks import block_rows
from hpconv.datasets.cropping import (
    GRAY,
    WHITE_16_BITS,
    centre_square,
    pillow_mode,
    square_size,
    white_of,
)
from hpconv.datasets.data_writer import ImageSink
from hpconv.datasets.decoding import Decoding, ValueRange
from hpconv.datasets.image_formats import open_image
from hpconv.datasets.image_reader import (
    HEADERS_PER_BLOCK,
    Header,
    Reader,
    page_count,
    read_header,
    reading,
)
from hpconv.errors import UserError, printable

MAX_LISTED = 20  # unusable files in a message

log = logging.getLogger(__name__)


def decode_files(
    paths: Sequence[Path], settings: DataSettings, writer: ImageSink
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode image files and append them to a data file in the order of paths, block by block.

    Without ``data.size``, the side of the squares is the shortest side of all images. Sizes and
    colour modes are taken from the headers, also those of files whose pixels are damaged.

    Returns:
        The indices in paths of the decoded images, and ``path: reason`` of each skipped file.

    Raises:
        UserError: when files cannot be decoded and ``data.corrupt`` is refuse, when no file can
            be decoded, or when the squares would be too small.
    """
    written: list[int] = []
    with reading(paths) as reader:
        for squares in _squares(reader, settings, writer):
            writer.append(np.stack(list(squares.values())))
            written += squares
    skipped = tuple(
        f"{printable(paths[number])}: {reason}" for number, reason in sorted(reader.reasons.items())
    )
    _report(skipped, len(paths), settings.corrupt == "skip")
    return np.array(written, int), skipped


def _squares(
    reader: Reader, settings: DataSettings, writer: ImageSink
) -> Iterator[dict[int, np.ndarray]]:
    """Blocks of decoded squares by index of the file."""
    found: dict[int, Header] = {}
    for block in reader.blocks(read_header, range(len(reader.paths)), HEADERS_PER_BLOCK):
        found |= block
    if found:
        size = _size(reader.paths, found, settings.size)
        channels, decode = _decoder(settings.channels, list(found.values()))
        values = settings.value_range or _value_range(reader, found, settings)
        writer.decoding = Decoding(values, settings.channels == "pages")
        readable = [number for number in found if number not in reader.reasons]
        read = partial(decode, size=size, value_range=values)
        yield from reader.blocks(read, readable, block_rows((channels, size, size)))


def _decoder(
    channels: Channels, headers: Sequence[Header]
) -> tuple[int, Callable[..., np.ndarray]]:
    """Number of channels of the squares, and the function that reads a file as one."""
    pages = headers[0].pages
    if channels == "pages":
        if pages > MAX_CHANNELS:
            raise UserError(
                f"config key 'data.channels' is pages, but files have {pages} pages: there may be "
                f"{MAX_CHANNELS} channels at most"
            )
        return pages, partial(_decoded_pages, pages=pages)
    if several := sum(each.pages > 1 for each in headers):
        log.warning(
            f"{several} TIFF files have several pages, of which the first is read; with "
            "'data.channels: pages' each page is a channel"
        )
    mode = pillow_mode(channels, all(each.gray for each in headers))
    return len(mode), partial(_decoded, mode=mode)


def _value_range(
    reader: Reader, headers: dict[int, Header], settings: DataSettings
) -> ValueRange | None:
    """The values of 16-bit images that become 0 and 255; a line in the log says which."""
    floats = [number for number, header in headers.items() if header.mode == "F"]
    reader.reasons |= dict.fromkeys(floats, f"pixels are floats of unknown range: {RANGE_ADVICE}")
    deep = [number for number, header in headers.items() if header.deep]
    largest_of = partial(_largest, pages=settings.channels == "pages")
    blocks = reader.blocks(largest_of, deep, HEADERS_PER_BLOCK)
    largest = max((value for block in blocks for value in block.values()), default=None)
    if largest is None or settings.levels == "full":
        return (0, WHITE_16_BITS) if deep else None
    white = white_of(largest)
    log.info(
        f"{len(deep)} images have 16 bits and values up to {largest}: 0 to {white} becomes 0 to "
        f"255; 'data.levels: full' takes 0 to {WHITE_16_BITS} instead"
    )
    return 0, white


def _largest(path: Path, pages: bool) -> int:
    with open_image(path) as image:
        found = [np.asarray(page) for page in (ImageSequence.Iterator(image) if pages else [image])]
    low, high = min(page.min() for page in found), max(page.max() for page in found)
    if low < 0 or high > WHITE_16_BITS:
        raise ValueError(f"pixels have more than 16 bits: {RANGE_ADVICE}")
    return int(high)


def _decoded(path: Path, size: int, mode: str, value_range: ValueRange | None) -> np.ndarray:
    with open_image(path) as image:
        image.draft(None, (2 * size, 2 * size))  # decodes a large JPEG at reduced size
        ImageOps.exif_transpose(image, in_place=True)
        return centre_square(image, size, mode, value_range=value_range)


def _decoded_pages(path: Path, size: int, pages: int, value_range: ValueRange | None) -> np.ndarray:
    with open_image(path) as image:
        if page_count(image) != pages:
            raise ValueError(f"has {page_count(image)} pages, the first file has {pages}")
        found = []
        for page in ImageSequence.Iterator(image):
            if page.mode not in GRAY:
                raise ValueError("has a page in colours, which is no channel")
            found.append(centre_square(page, size, "L", value_range=value_range))
    return np.concatenate(found)


def _size(paths: Sequence[Path], headers: dict[int, Header], wanted: int | None) -> int:
    number = min(headers, key=lambda n: min(headers[n].width, headers[n].height))
    width, height = headers[number].width, headers[number].height
    size = square_size(wanted, (width, height), str(paths[number]))
    shapes = {(header.width, header.height) for header in headers.values()}
    if wanted is None and shapes != {(size, size)}:
        log.info(
            f"Images differ in size or are not square, they are resized to {size}x{size} pixels, "
            f"the shortest side of {paths[number]} ({width}x{height}); data.size sets another size"
        )
    return size


def _report(skipped: tuple[str, ...], total: int, allowed: bool) -> None:
    listed = "\n".join(f"  {entry}" for entry in skipped[:MAX_LISTED])
    more = f"\n  and {len(skipped) - MAX_LISTED} more" if len(skipped) > MAX_LISTED else ""
    found = f"{len(skipped)} of {total} image files cannot be decoded:\n{listed}{more}"
    if skipped and not allowed:
        raise UserError(
            f"{found}\nreplace or delete them, or write 'data.corrupt: skip' to skip them"
        )
    if len(skipped) == total:
        raise UserError(found)
    if skipped:
        log.warning(f"Skipped: {found}")
