"""Selected images of a data file, read on demand."""

from functools import cached_property
from pathlib import Path

import numpy as np

from hpconv.datasets.blocks import block_rows
from hpconv.datasets.data_file import DataFile

MEMORY_BYTES = 2**29  # larger selections are read from the file whenever they are sliced


class ImageRows:
    """Selected images of a data file; a slice is an array ``(n, C, H, W)``.

    A selection of up to MEMORY_BYTES is read once, when it is first sliced, and kept.

    Args:
        rows: of the data file, rising.
        mirrored: whether left and right of each image are exchanged.

    Attributes:
        shape: ``(N, C, H, W)``.
        dtype: of the images.
    """

    def __init__(self, path: Path, rows: np.ndarray, mirrored: bool = False) -> None:
        self._path, self._rows, self._mirrored = path, rows, mirrored
        with DataFile(path) as data:
            self.shape = (len(rows), *data.image_shape)
            self.dtype = data.images.dtype

    @property
    def _is_large(self) -> bool:
        return bool(np.prod(self.shape) > MEMORY_BYTES)

    @cached_property  # a driver needs shapes only
    def _kept(self) -> np.ndarray:
        return self._read(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        """Images by position in the selection; an array of positions must rise."""
        return self._read(self._rows[chosen]) if self._is_large else self._kept[chosen]

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Read whole ranges that are mostly selected: HDF5 is slow at picking single rows."""
        images = np.empty((len(rows), *self.shape[1:]), self.dtype)
        step = block_rows(self.shape[1:])
        with DataFile(self._path) as data:
            for start in range(0, len(rows), step):
                wanted = rows[start : start + step]
                low, high = wanted[0], wanted[-1] + 1
                if high - low <= 2 * len(wanted):
                    images[start : start + step] = data.images[low:high][wanted - low]
                else:
                    images[start : start + step] = data.images[wanted]
        return images[..., ::-1] if self._mirrored else images
