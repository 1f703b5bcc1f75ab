"""Writer of the data file (see ``data_file`` for its layout), a block of images at a time."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import h5py
import numpy as np

from hpconv.datasets.data_file import Splits, content_checksum
from hpconv.datasets.decoding import Decoding

CHUNK_BYTES = 2**18  # read in order, yet a few images cost little


@dataclass(frozen=True)
class Content:
    """What a loader returns of the images that it has passed to the writer.

    Attributes:
        labels: class numbers from 0 of the examples; of pairs, 1 for same and 0 for different.
        classes: class names, by class number.
        splits: the given ones, with an empty validation part where it is to be drawn of train;
            None where all splits are to be drawn.
        pairs: image rows ``(M, 2)`` of the examples, where examples are pairs.
        skipped: files that were left out, ``path: reason`` for each.
        ignored: number of files and folders that are no images, by kind.
        names: of the user's own images: of files, or of rows; else empty.
        is_fraction: whether ``data.fraction`` has been applied.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    splits: Splits | None = None
    pairs: np.ndarray | None = None
    skipped: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    names: Sequence[str] = ()
    is_fraction: bool = False


class ImageSink(Protocol):
    """A receiver of decoded images.

    Attributes:
        decoding: how they are read; set before the first block.
    """

    decoding: Decoding

    def append(self, block: np.ndarray) -> None:
        """Take images ``(n, C, H, W)``."""


class ImageWriter:
    """Appends images to a data file in blocks of any length, so that memory never holds them all.

    Args:
        file: open for writing.

    Attributes:
        digests: of the images so far; equal images have the same.
        decoding: how the images are read, which the file records.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self.digests: list[bytes] = []
        self.decoding = Decoding()

    def append(self, block: np.ndarray) -> None:
        """Add images ``(n, C, H, W)`` uint8; all blocks have images of the same shape."""
        if "images" not in self._file:
            shape = block.shape[1:]
            self._file.create_dataset(
                "images", (0, *shape), "uint8", maxshape=(None, *shape),
                chunks=(_chunk_rows(shape), *shape), compression="gzip", compression_opts=1,
            )  # fmt: skip
            self._record_decoding()
        images = self._file["images"]
        images.resize(len(images) + len(block), axis=0)
        images[len(images) - len(block) :] = block
        self.digests += [hashlib.sha256(image.tobytes()).digest() for image in block]

    def _record_decoding(self) -> None:
        attributes = self._file["images"].attrs
        attributes["pages"] = self.decoding.pages
        if self.decoding.value_range is not None:
            attributes["value_range"] = self.decoding.value_range


def write_content(
    file: h5py.File, name: str, content: Content, splits: Splits, copies: Sequence[str] = ()
) -> None:
    """Complete a data file that has its images.

    Args:
        name: of the data set, as in ``data.name``.
        copies: images that are in no part, as ``copies.describe`` lists them.
    """
    file["labels"] = content.labels
    if content.pairs is not None:
        file["pairs"] = content.pairs
    for key, examples in splits.named().items():
        file[key] = examples
    file["classes"] = np.array(content.classes, h5py.string_dtype())
    if content.names:
        file["names"] = np.array(content.names, h5py.string_dtype())
    ignored = [f"{count} {kind}" for kind, count in sorted(content.ignored.items())]
    for key, lines in (("skipped", content.skipped), ("copies", copies), ("ignored", ignored)):
        file[key] = np.array(lines, h5py.string_dtype())
    file.attrs["name"] = name
    file.attrs["checksum"] = content_checksum(file)


def _chunk_rows(shape: tuple[int, ...]) -> int:
    return max(1, CHUNK_BYTES // int(np.prod(shape)))
