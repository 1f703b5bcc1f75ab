"""Memory and time of a data set that is larger than memory should be: 250x250 gray images.

    python -m benchmarks.large_images [100000] > table.md

The images are hard links to a few JPEG and PNG files, listed in a CSV file. Each step is a process
of its own: writing the data set, and walking through the images of the choice of a model in
batches of 100, as an extraction does. No peak may exceed 1 GiB.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.datasets.protocols import Selection

SIDE, DISTINCT, CLASSES, BATCH = 250, 200, 10, 100
LIMIT = 1024  # MiB


def make(folder: Path, count: int) -> Path:
    """The list of that many images in a folder."""
    rng = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(count):
        suffix = (".jpg", ".png")[number % 2]
        path = folder / f"{number}{suffix}"
        if number < DISTINCT:
            coarse = Image.fromarray(rng.integers(0, 256, (40, 40), "uint8"))
            coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
        else:
            path.hardlink_to(folder / f"{number % DISTINCT}{suffix}")
        lines.append(f"{path.name},{number % CLASSES}")
    listed = folder / "list.csv"
    listed.write_text("\n".join(lines))
    return listed


def write(listed: Path, output: Path) -> int:
    datasets.write(DataSettings("csv", path=listed), output)
    return len(listed.read_text().splitlines()) - 1


def walk(_: Path, output: Path) -> int:
    images = Selection(output).images
    for start in range(0, len(images), BATCH):
        images[start : start + BATCH].sum()
    return len(images)


def measured(
    step: Callable[[Path, Path], int], listed: Path, output: Path
) -> tuple[int, float, float]:
    """Images that a step handles, its seconds, and the MiB of memory that it needs at most."""
    start = time.perf_counter()
    handled = step(listed, output)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    return handled, time.perf_counter() - start, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=100_000)
    count = parser.parse_args().count
    steps = {"write the data set": write, f"walk through it by {BATCH}": walk}
    peaks = []
    print(f"{count} images of {SIDE}x{SIDE}, {count * SIDE**2 / 2**30:.1f} GiB\n")
    print("| | images | seconds | images/s | peak MiB |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        listed, output = make(Path(name), count), Path(name) / "data.h5"
        for title, step in steps.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                handled, seconds, peak = pool.apply(measured, (step, listed, output))
            rate = handled / seconds
            print(f"| {title} | {handled} | {seconds:.1f} | {rate:.0f} | {peak:.0f} |", flush=True)
            peaks.append(peak)
    assert max(peaks) < LIMIT, peaks


if __name__ == "__main__":
    main()
