"""Arrays that are read, written and hashed a block at a time, so that memory never holds all."""

import hashlib
from collections.abc import Iterator

import h5py
import numpy as np

BLOCK_BYTES = 2**24  # of images


def block_rows(shape: tuple[int, ...]) -> int:
    """Number of images ``(C, H, W)`` in a block."""
    return max(1, BLOCK_BYTES // int(np.prod(shape)))


def checksum(*arrays: np.ndarray | h5py.Dataset) -> str:
    """SHA-256 over dtype, shape and content of arrays, which may be in a file."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        for block in _blocks(array):
            digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()


def _blocks(array: np.ndarray | h5py.Dataset) -> Iterator[np.ndarray]:
    step = block_rows(array.shape[1:])
    for start in range(0, len(array), step):
        yield array[start : start + step]
