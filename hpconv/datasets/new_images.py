"""Images that belong to no experiment: a picture, a folder, a table, an HDF5 or a .npy file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpconv.config import DataSettings
from hpconv.config.rules import Channels
from hpconv.datasets import arrays, csv_table, image_files
from hpconv.datasets.blocks import block_rows
from hpconv.datasets.data_writer import ImageSink
from hpconv.datasets.decoding import Decoding
from hpconv.datasets.image_folder import list_images
from hpconv.datasets.loaders import hdf5
from hpconv.datasets.user_data import KEY
from hpconv.errors import UserError, printable

READABLE = (
    "write an image file (PNG, JPEG, TIFF ...), a folder of image files, a CSV file with the "
    "column path, an HDF5 file with images, or a .npy file"
)

CHANNELS: dict[int, Channels] = {1: "gray", 3: "rgb"}  # of image files


@dataclass(frozen=True)
class NewImages:
    """Images of the user, which ``read`` decodes.

    Attributes:
        path: of the source.
        names: of the images: files relative to a folder or as in a table, else ``row N``.
        labels: class names, if the source has them: of a table or an HDF5 file; for a folder, of
            the sub-folders in it.
        files: that are decoded; none of an HDF5 or a .npy file.
    """

    path: Path
    names: Sequence[str]
    labels: Sequence[str] | None
    files: Sequence[Path] = ()

    def read(
        self, image_shape: tuple[int, ...], sink: ImageSink, decoding: Decoding
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """Pass the images on, block by block, as squares with the channels of image_shape.

        Args:
            image_shape: ``(C, H, W)`` of the images of a search. Decoded squares have its size, but
                not less than ``arrays.MIN_SIZE``; those of a .npy file keep theirs.
            decoding: of the images of the search.

        Returns:
            the indices in names of the images, and ``path: reason`` of each file that is skipped.

        Raises:
            UserError: when the source cannot be read, or no file can be decoded.
        """
        settings = DataSettings(
            "folder",
            size=max(image_shape[-1], arrays.MIN_SIZE),
            channels="pages" if decoding.pages else CHANNELS.get(image_shape[0], "auto"),
            value_range=decoding.value_range,
            corrupt="skip",
        )
        try:
            if self.files:
                return image_files.decode_files(self.files, settings, sink)
            if self.path.suffix == ".npy":
                images = arrays.read_npy(self.path, decoding.value_range)
                _pass_on(images, image_shape[0], sink)
            else:
                with hdf5.opened(self.path) as file:
                    hdf5.write_images(self.path, file["images"], settings, sink)
        except UserError as refusal:
            raise _refused(self.path, refusal) from None
        return np.arange(len(self.names)), ()


def find(path: Path) -> NewImages:
    """List the images of a source.

    Raises:
        UserError: when it has none.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        if path.suffix.lower() == ".csv":
            return _of_table(path)
        if path.suffix == ".npy":
            return NewImages(path, _rows(len(arrays.load_npy(path))), None)
        return _of_hdf5(path) if h5py.is_hdf5(path) else NewImages(path, [path.name], None, [path])
    except UserError as refusal:
        raise _refused(path, refusal) from None


def _of_folder(path: Path) -> NewImages:
    files = list_images(path, Counter())
    if not files:
        raise UserError("a folder without image files")
    names = [file.relative_to(path) for file in files]
    labels = [name.parts[0] for name in names] if all(len(n.parts) > 1 for n in names) else None
    return NewImages(path, [printable(name) for name in names], labels, files)


def _of_table(path: Path) -> NewImages:
    values = [row.values for row in csv_table.read(path, ["path"], ["label", "split"])]
    names = [row["path"] for row in values]
    labels = [row["label"] for row in values] if "label" in values[0] else None
    return NewImages(path, names, labels, [path.parent / name for name in names])


def _of_hdf5(path: Path) -> NewImages:
    with hdf5.opened(path) as file:
        if not isinstance(file.get("images"), h5py.Dataset):
            raise UserError("has no data set 'images'")
        names = _rows(len(file["images"]))
        has_labels = isinstance(file.get("labels"), h5py.Dataset)
        return NewImages(
            path, names, [*map(str, hdf5.read_labels(path, file))] if has_labels else None
        )


def _rows(count: int) -> list[str]:
    return [f"row {number}" for number in range(count)]


def _pass_on(images: np.ndarray, channels: int, sink: ImageSink) -> None:
    step = block_rows(images.shape[1:])
    for start in range(0, len(images), step):
        sink.append(arrays.with_channels(images[start : start + step], channels))


def _refused(path: Path, refusal: UserError) -> UserError:
    return UserError(f"--images is '{path}': {str(refusal).removeprefix(KEY)}\n{READABLE}")
