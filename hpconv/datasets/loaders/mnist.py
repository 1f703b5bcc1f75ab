"""MNIST and Fashion-MNIST: gray images of 28x28 pixels in the idx format.

An idx file has a magic number and sizes, all big-endian 32-bit integers, and then bytes
(http://yann.lecun.com/exdb/mnist/).
"""

from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import archives, published, splits
from hpconv.datasets.archives import Archive
from hpconv.datasets.blocks import block_rows
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.errors import UserError

MAGIC_OF_LABELS, MAGIC_OF_IMAGES = 2049, 2051
SIDE = 28  # pixels


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes:
        files: images and labels of train, then of test.
        classes: class names, by class number.
        train, test: numbers of images, by class number.
    """

    files: tuple[Archive, ...]
    classes: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]


def _files(url: str, checksums: tuple[str, ...]) -> tuple[Archive, ...]:
    """The four files; checksums are SHA-256 of their uncompressed content, in the same order."""
    names = [
        f"{part}-{kind}-ubyte"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    return tuple(
        Archive(f"{name}.gz", f"{url}/{name}.gz", f"sha256:{checksum}", _aliases(name), True)
        for name, checksum in zip(names, checksums, strict=True)
    )


def _aliases(name: str) -> tuple[str, ...]:
    dotted = name.replace("-idx", ".idx")
    return (name, f"{dotted}.gz", dotted)


PUBLISHED = {
    "mnist": Published(
        _files(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        tuple("0123456789"),
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "fashion-mnist": Published(
        _files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        (6000,) * 10,
        (1000,) * 10,
    ),
}


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the training images, then the test images.

    Raises:
        UserError: when a file is missing or not the original.
    """
    published.refuse_changes(settings)
    original = PUBLISHED[settings.name]
    paths = archives.find_or_download(settings, original.files)
    train, test = (_part(paths[at], paths[at + 1], writer) for at in (0, 2))
    published.check_counts(f"{paths[1]}", train, original.train)
    published.check_counts(f"{paths[3]}", test, original.test)
    return Content(
        np.concatenate([train, test]), original.classes, splits.official(len(train), len(test))
    )


def _part(images_path: Path, labels_path: Path, writer: ImageWriter) -> np.ndarray:
    """Write the images of one file and return the labels of the other."""
    with archives.open_plain_or_gzip(labels_path) as file:
        [n_labels] = _sizes(file, labels_path, MAGIC_OF_LABELS)
        labels = _bytes(file, labels_path, n_labels)
    with archives.open_plain_or_gzip(images_path) as file:
        n_images, *shape = _sizes(file, images_path, MAGIC_OF_IMAGES)
        if (n_images, shape) != (n_labels, [SIDE, SIDE]):
            raise UserError(
                f"{images_path} does not match {labels_path}: replace both by the original files"
            )
        step = block_rows((SIDE, SIDE))
        for start in range(0, n_images, step):
            count = min(step, n_images - start)
            block = _bytes(file, images_path, count * SIDE * SIDE)
            writer.append(block.reshape(count, 1, SIDE, SIDE))
    return labels.astype(int)


def _sizes(file: BufferedIOBase, path: Path, magic: int) -> list[int]:
    """The sizes in the header; the last byte of the magic number is their count."""
    found, *sizes = _bytes(file, path, 4 * (1 + magic % 256)).view(">u4").tolist()
    if found != magic:
        raise UserError(
            f"{path} begins with {found} instead of {magic}: replace it by the original file"
        )
    return sizes


def _bytes(file: BufferedIOBase, path: Path, count: int) -> np.ndarray:
    content = file.read(count)
    if len(content) < count:
        raise UserError(f"{path} is incomplete: replace it by the original file")
    return np.frombuffer(content, "uint8")
