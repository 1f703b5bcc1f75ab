"""The file of a winner's features: small, for what it shows lies in the cache.

It holds ``features`` (N, ...) float32, a virtual data set over the blocks of an entry; ``rows``
(N,), those of the images in the data file, rising; ``filters/I`` (K, C, s, s), the I-th bank from
below; and attributes for what made them. HDF5 looks for the blocks from the file's own folder, so
a cache with a relative path may be moved together with the results.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpconv.config import ModelSettings
from hpconv.errors import UserError
from hpconv.features.cache import blocks
from hpconv.features.cache.entry import Entry
from hpconv.files import replacing
from hpconv.trials import Failure


def write(
    path: Path, entry: Entry, rows: np.ndarray, assignment: dict[str, Any], model: ModelSettings
) -> None:
    """Write the file of one trial over a complete entry, which others may share."""
    facts = entry.facts()
    folder = _seen_from(path, entry.folder)
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        # who reads past a lost block without noticing shall not take it for features
        file.create_virtual_dataset("features", _layout(entry, folder, facts), fillvalue=np.nan)
        file["filters"] = h5py.ExternalLink(str(folder / entry.filters.name), "/filters")
        file["rows"] = rows
        file.attrs["entry"] = str(folder)
        file.attrs["assignment"] = json.dumps(assignment)
        file.attrs["model"] = json.dumps(asdict(model))
        for name in ("version", "checksum", "seconds"):
            file.attrs[name] = facts[name]


def write_failure(path: Path, failure: Failure) -> None:
    """Write the file of a winner whose features could not be extracted."""
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs["failure"] = json.dumps(failure)


def read_failure(path: Path) -> Failure | None:
    """Why a winner has no features; None if it has them."""
    with blocks.read(path) as file:
        failure: Failure | None = json.loads(file.attrs.get("failure", "null"))
    return failure


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file of a winner's features for reading, all of it there, before and after.

    HDF5 says nothing of a lost block, and reads NaN.

    Raises:
        UserError: when blocks were removed from the cache, or the features were not extracted.
    """
    with blocks.read(path) as file:
        if "failure" in file.attrs:
            raise UserError(
                f"{path} has no features: {json.loads(file.attrs['failure'])['reason']}"
            )
        entry = Entry(path.parent.resolve() / file.attrs.get("entry", ""))
        _check(path, entry)
        entry.touch()
        yield file
        _check(path, entry)


def _check(path: Path, entry: Entry) -> None:
    if missing := entry.missing():
        raise UserError(
            f"{path} has lost its features: {entry.folder / missing[0]} was removed or changed; "
            f"extract again: delete {path} and run the workflow"
        )


def _layout(entry: Entry, folder: Path, facts: dict[str, Any]) -> h5py.VirtualLayout:
    layout, start = h5py.VirtualLayout(tuple(facts["shape"]), "float32"), 0
    for block in entry.blocks():
        with blocks.read(block) as file:
            shape = file["features"].shape
        rows = slice(start, start + shape[0])
        layout[rows] = h5py.VirtualSource(str(folder / block.name), "features", shape=shape)
        start += shape[0]
    return layout


def _seen_from(path: Path, folder: Path) -> Path:
    """An absolute path stays what it is; a relative one is taken from the file's own folder."""
    if folder.is_absolute():
        return folder
    return Path(os.path.relpath(folder.resolve(), path.parent.resolve()))
