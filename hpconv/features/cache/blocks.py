"""Files of the cache: written atomically, with a checksum, without locks, on any file system."""

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpconv.datasets.blocks import checksum
from hpconv.errors import UserError
from hpconv.files import write_atomically

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
STALE_SECONDS = 86400  # the writer of an unfinished file of this age was killed


def write_arrays(path: Path, arrays: dict[str, np.ndarray], **attributes: Any) -> None:
    """Write an HDF5 file of arrays, attributes, and the arrays' checksum as an attribute.

    The file is built in memory, because HDF5 cannot close a file on a full disk.
    """
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        for name, array in arrays.items():
            file[name] = array
        digest = checksum(*(arrays[name] for name in sorted(arrays)))
        file.attrs.update(attributes | {"checksum": digest})
        file.flush()
        content = file.id.get_file_image()
    write_atomically(path, content, durable=True)


def read(path: Path) -> h5py.File:
    """Open an HDF5 file that never changes: without a lock, which NFS and Lustre may refuse.

    Raises:
        FileNotFoundError, PermissionError: when it cannot be opened.
        UserError: when it is damaged.
    """
    try:
        return h5py.File(path, locking=False)
    except OSError as error:
        if error.errno is not None:
            raise
        raise UserError(f"{path} is damaged or not an HDF5 file: extract again") from error


def sound(path: Path, **attributes: Any) -> bool:
    """Whether a file exists with intact arrays and these attributes; reads the whole file."""
    try:
        with read(path) as file:
            if any(file.attrs[name] != value for name, value in attributes.items()):
                return False
            arrays = (file[name] for name in _arrays(file))
            return checksum(*arrays) == file.attrs["checksum"]
    except (OSError, UserError, KeyError, RuntimeError, ValueError):  # HDF5 on damaged files
        return False


def _arrays(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return sorted(name for name in names if isinstance(file[name], h5py.Dataset))


def sweep(folder: Path) -> None:
    """Remove unfinished files of writers that were killed long ago."""
    for unfinished in folder.glob(".*"):
        if time.time() - newest([unfinished]) > STALE_SECONDS:
            unfinished.unlink(missing_ok=True)


def newest(paths: list[Path]) -> float:
    """Last modification time of these files, in seconds since 1970; 0 if none exists."""
    return max([0.0, *(path.stat().st_mtime for path in paths if path.exists())])


@contextmanager
def room(folder: Path, total: int) -> Iterator[None]:
    """Turn errors of writing blocks to a folder into user errors.

    Args:
        total: bytes of all blocks, including those already in the folder.

    Raises:
        UserError: when the disk is full or the folder is not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            needed = total - sum(path.stat().st_size for path in folder.glob("block-*.h5"))
            raise UserError(
                f"the disk or quota of {folder} is full: the features need {needed} bytes more, "
                f"{shutil.disk_usage(folder.parent).free} are free; make room, for example with "
                f"'hpconv cache prune --cache {folder.parent} --keep 50GB', and run again: "
                "finished blocks stay"
            ) from None
        if error.errno in REFUSED:
            raise UserError(
                f"the feature cache {folder.parent} cannot be written to ({error.strerror}): "
                "set 'evaluation.cache' to a folder that you can write to"
            ) from None
        raise
