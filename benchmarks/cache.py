"""What the cache of features costs and saves: seconds, bytes an image, and MB/s.

    python -m benchmarks.cache DATA.h5 [--pipelines 10] > table.md

DATA.h5 is a file of ``hpconv data``; the pipelines are random candidates of the search space. Cold
is an extraction into an empty cache, warm the same again. Rows are read in order, 8 MiB at a time
as classifiers do, and the same files as plain bytes. Before each of these readings the files are
dropped from memory, so that they come from the disk. Compressed copies are made of the
first 16 MiB of each pipeline, in memory.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hyperopt import Domain, Trials, rand

from hpconv import features
from hpconv.config import ModelSettings
from hpconv.errors import CandidateError
from hpconv.features.cache.entry import Entry, entries
from hpconv.model import space
from hpconv.trials import Trial

MODEL = ModelSettings((32,), (64, 128), 20_000, 8000, 250_000, 300, 100, "cpu")
PIECE_BYTES, SAMPLE_BYTES = 2**23, 2**24
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "lzf": {"compression": "lzf"},
    "shuffle, lzf": {"compression": "lzf", "shuffle": True},
    "gzip-1": {"compression": "gzip", "compression_opts": 1},
    "shuffle, gzip-1": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}


def candidates() -> Iterator[Trial]:
    """Random trials of the search space, for ever."""
    graph = space.search_space(MODEL.output_sizes, MODEL.max_layer_sizes)
    domain, tid = Domain(lambda _: 0, graph), 0
    while True:
        yield rand.suggest([tid], domain, Trials(), seed=tid)[0]
        tid += 1


def timed(step: Callable[[], Any]) -> float:
    """Seconds of a step."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def drop(folder: Path) -> None:
    """Have the next reading of an entry's files come from the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def stream(path: Path) -> None:
    """Read all rows in order."""
    with features.opened(path) as file:
        rows = file["features"]
        step = max(1, PIECE_BYTES // rows[0].nbytes)
        for start in range(0, len(rows), step):
            rows[start : start + step]


def plain(entry: Entry) -> None:
    """Read the same files as bytes."""
    for path in entry.blocks():
        with path.open("rb", buffering=0) as file:
            while file.read(PIECE_BYTES):
                pass


def compressed(rows: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Bytes that rows take, seconds to write and to read them."""
    chunks = (max(1, 2**18 // rows[0].nbytes), *rows.shape[1:]) if options else None
    with h5py.File("sample", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("rows", rows.shape, "float32", chunks=chunks, **options)

        def write() -> None:
            data[:] = rows
            file.flush()

        written = timed(write)
        return np.array([data.id.get_storage_size(), written, timed(lambda: data[:])])


def measure(data: Path, count: int, folder: Path) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Sums over pipelines: of the cache, and of each compression with its input's bytes, images."""
    total = dict.fromkeys(("images", "bytes", "cold", "warm", "stream", "plain"), 0.0)
    packed = {name: np.zeros(5) for name in FILTERS}
    path, cache, made = folder / "features.h5", folder / "cache", 0
    for trial in candidates():
        try:
            total["cold"] += timed(
                lambda t=trial: features.extract(t, data, MODEL, path, cache=cache)
            )
        except CandidateError:
            continue
        total["warm"] += timed(lambda t=trial: features.extract(t, data, MODEL, path, cache=cache))
        entry = next(one for one in entries(cache) if not one.missing())
        for name, read in (("plain", lambda e=entry: plain(e)), ("stream", lambda: stream(path))):
            drop(entry.folder)
            total[name] += timed(read)
        with features.opened(path) as file:
            rows = file["features"]
            total["images"] += len(rows)
            total["bytes"] += entry.bytes()
            sample = rows[: max(1, SAMPLE_BYTES // rows[0].nbytes)]
        for name, options in FILTERS.items():
            packed[name] += [*compressed(sample, options), sample.nbytes, len(sample)]
        entry.remove()
        made += 1
        if made == count:
            break
    return total, packed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--pipelines", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        total, packed = measure(arguments.data, arguments.pipelines, Path(folder))
    print("| what | value |")
    print("|---|---|")
    count = arguments.pipelines
    print(f"| cold: extraction | {total['cold'] / count:.2f} s a pipeline |")
    print(f"| warm: from the cache | {1000 * total['warm'] / count:.0f} ms a pipeline |")
    print(f"| on the disk | {total['bytes'] / total['images']:.0f} bytes an image |")
    for name in ("stream", "plain"):
        what = {"stream": "reading rows in order", "plain": "reading the files as bytes"}[name]
        print(f"| {what} | {total['bytes'] / total[name] / 1e6:.0f} MB/s |")
    for name, (size, write, read, given, images) in packed.items():
        speed = f"writes {given / write / 1e6:.0f}, reads {given / read / 1e6:.0f} MB/s"
        print(f"| compression: {name} | {size / images:.0f} bytes an image, {speed} |")


if __name__ == "__main__":
    main()
