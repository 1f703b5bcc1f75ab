"""The file of a winner's features: a small file of links into the cache.

It holds ``features`` (N, ...) float32, a virtual data set over the blocks of an entry; ``rows``
(N,), the ascending rows of the images in the data file; ``filters/I`` (K, C, s, s), the I-th bank
from below; and attributes that describe their origin. With mirror images, ``features`` (2 N, ...)
are followed by theirs, from an entry of their own. HDF5 resolves relative paths from the folder
of the file, so a cache with a relative path may be moved together with the results.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpconv.config import ModelSettings
from hpconv.errors import UserError
from hpconv.features.cache import blocks
from hpconv.features.cache.entry import Entry, Facts
from hpconv.files import replacing
from hpconv.trials import Failure

ENTRIES = ("entry", "mirrored")  # attributes: folders of the entries


def write(
    path: Path,
    entries: Sequence[Entry],
    rows: np.ndarray,
    *,
    assignment: Mapping[str, Any],
    model: ModelSettings,
) -> None:
    """Write the features file of a trial, with links into complete entries.

    Args:
        entries: of the images and, with mirror images, of these.

    Raises:
        UserError: when an entry was removed or changed since it was completed.
    """
    facts = [_complete_facts(path, entry) for entry in entries]
    folders = [_seen_from(path, entry.folder) for entry in entries]
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        # NaN, so that the values of a lost block cannot be mistaken for features
        file.create_virtual_dataset(
            "features", _layout(entries, folders, facts[0]["shape"]), fillvalue=np.nan
        )
        file["filters"] = h5py.ExternalLink(str(folders[0] / entries[0].filters.name), "/filters")
        file["rows"] = rows
        for name, folder in zip(ENTRIES, folders, strict=False):
            file.attrs[name] = str(folder)
        file.attrs["assignment"] = json.dumps(assignment)
        file.attrs["model"] = json.dumps(asdict(model))
        file.attrs["version"] = facts[0]["version"]
        file.attrs["checksum"] = facts[0]["checksum"]
        file.attrs["seconds"] = sum(each["seconds"] for each in facts)


def _complete_facts(path: Path, entry: Entry) -> Facts:
    facts = entry.facts()
    if facts is None or "files" not in facts:
        raise _lost(path, entry.folder / "entry.json")
    return facts


def write_failure(path: Path, failure: Failure) -> None:
    """Write the file of a winner whose features could not be extracted."""
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs["failure"] = json.dumps(failure)


def read_failure(path: Path) -> Failure | None:
    """Why the features of a winner could not be extracted; None if they were."""
    with blocks.read(path) as file:
        failure: Failure | None = json.loads(file.attrs.get("failure", "null"))
    return failure


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open the features file of a winner; check before and after that no block is lost.

    HDF5 reads NaN for lost blocks, without an error.

    Raises:
        UserError: when blocks were removed from the cache, or the features were not extracted.
    """
    with blocks.read(path) as file:
        if "failure" in file.attrs:
            raise UserError(
                f"{path} has no features: {json.loads(file.attrs['failure'])['reason']}"
            )
        linked = [file.attrs[name] for name in ENTRIES if name in file.attrs] or [""]
        entries = [Entry(path.parent.resolve() / each) for each in linked]
        _check(path, entries)
        for entry in entries:
            entry.touch()
        yield file
        _check(path, entries)


def _check(path: Path, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if missing := entry.missing():
            raise _lost(path, entry.folder / missing[0])


def _lost(path: Path, missing: Path) -> UserError:
    return UserError(
        f"{path} has lost its features: {missing} was removed or changed; "
        f"extract again: delete {path} and run the workflow"
    )


def _layout(
    entries: Sequence[Entry], folders: Sequence[Path], shape: list[int]
) -> h5py.VirtualLayout:
    """All blocks of all entries, one after the other; shape is that of one entry."""
    layout = h5py.VirtualLayout((len(entries) * shape[0], *shape[1:]), "float32")
    start = 0
    for entry, folder in zip(entries, folders, strict=True):
        for block in entry.blocks():
            with blocks.read(block) as file:
                part = file["features"].shape
            rows = slice(start, start + part[0])
            layout[rows] = h5py.VirtualSource(str(folder / block.name), "features", shape=part)
            start += part[0]
    return layout


def _seen_from(path: Path, folder: Path) -> Path:
    """The folder as a link from path: absolute as given, else relative to path's folder."""
    if folder.is_absolute():
        return folder
    return Path(os.path.relpath(folder.resolve(), path.parent.resolve()))
