"""Speed of feature extraction against PyTorch, JAX and this machine's sgemm peak.

    pip install torch jax
    python -m benchmarks.extraction > tables.md

Every contender has a process per thread count, where all take turns in each round and keep
their best time; a process on one thread is bound to one core. GFLOP/s count correlations
only. A new architecture is timed from its description to the result of its first batch, in
a process that has run another one; nothing but hpconv's compiled kernels is cached on disk.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import peers, pipelines
from benchmarks.peers import STRIDE, Layer

# Pooling windows reach the edges: hpconv skips the pixels that none reaches.
WORKLOADS = {
    "256 of 32x32x3: 64, 128; 5x5": ((256, 3, 32), [Layer(64, 5, 3, 4), Layer(128, 5, 3, 4)]),
    "256 of 32x32x3: 128, 256; 9x9, 5x5": (
        (256, 3, 32),
        [Layer(128, 9, 3, 4), Layer(256, 5, 3, 4)],
    ),
    "256 of 32x32x3: 64, 128, 256; 5x5": (
        (256, 3, 32),
        [Layer(64, 5, 1, 2), Layer(128, 5, 1, 2), Layer(256, 5, 1, 1)],
    ),
    "4 of 200x200x1: 64, 128, 256; 5x5, 9x9, 5x5": (
        (4, 1, 200),
        [Layer(64, 5, 5, 4), Layer(128, 9, 5, 4), Layer(256, 5, 5, 4)],
    ),
}
PEERS = {
    "torch eager": peers.torch_eager,
    "torch.compile": peers.torch_compile,
    "JAX": peers.jax,
}
WARM_UP = ((2, 3, 12), [Layer(8, 3, 3, 2)])
SECONDS, ROUNDS = 10, 3  # at least, of turns on a workload


def draw(shape: tuple[int, int, int], layers: list[Layer]) -> tuple[np.ndarray, list, float]:
    """Images, filterbanks, and the GFLOP of the correlations."""
    (n, channels, side), flops, banks = shape, 0.0, []
    rng = np.random.RandomState(0)
    images = rng.rand(n, channels, side, side).astype("float32")
    for layer in layers:
        side = side - layer.norm + 1 - layer.size + 1
        area = layer.size**2 * channels
        flops += 2e-9 * n * layer.n_filters * area * side**2
        bank = rng.randn(layer.n_filters, channels, layer.size, layer.size) / area**0.5
        banks.append(bank.astype("float32"))
        side, channels = (side - layer.pool) // STRIDE + 1, layer.n_filters
    return images, banks, flops


def timed(call: Callable, *args: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(*args)
    return time.perf_counter() - start, result


def sgemm_peak(rounds: int = 5, side: int = 3072) -> float:
    """GFLOP/s of numpy's BLAS on large square matrices."""
    a, b, out = (np.random.rand(side, side).astype("float32") for _ in range(3))
    return 2e-9 * side**3 / min(timed(np.matmul, a, b, out)[0] for _ in range(rounds))


def measure(with_peers: bool) -> dict[str, Any]:
    """The speeds of hpconv, and of its peers, on all workloads, in this process."""
    from hpconv import kernels

    makers = {f"hpconv ({kernels.backend()})": peers.hpconv} | (PEERS if with_peers else {})
    images, banks, _ = draw(*WARM_UP)
    for make in makers.values():
        make(WARM_UP[1], banks)(images)
    peaks = [sgemm_peak()]
    rows = {}
    for name, workload in WORKLOADS.items():
        rows[name] = _measure_one(makers, *workload)
        peaks.append(sgemm_peak())
    return {"peak": max(peaks), "rows": rows}


def _measure_one(makers: dict, shape: tuple[int, int, int], layers: list[Layer]) -> dict:
    images, banks, flops = draw(shape, layers)
    networks, new, first = {}, {}, {}
    for name, make in makers.items():
        start = time.perf_counter()
        networks[name] = make(layers, banks)
        first[name] = networks[name](images)
        new[name] = time.perf_counter() - start
    _assert_equal(first)
    turns: dict[str, list[float]] = {name: [] for name in makers}
    start = time.perf_counter()
    while len(turns[name]) < ROUNDS or time.perf_counter() - start < SECONDS:
        for name, network in networks.items():
            turns[name].append(timed(network, images)[0])
    best = {name: min(seconds) for name, seconds in turns.items()}
    return {name: {"speed": flops / best[name], "new": new[name]} for name in makers}


def _assert_equal(results: dict[str, np.ndarray]) -> None:
    """Equal within 1e-3; a value in a hundred may differ, where a peer's float32 cancels."""
    ours, *others = results.values()
    for other in others:
        error = np.abs(other - ours) / np.abs(ours).max()
        assert np.mean(error < 1e-3) > 0.99, list(results)


def child(task: str, threads: int, **environment: str) -> dict[str, Any]:
    """What a fresh process measures on that many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    settings = dict.fromkeys(names, str(threads)) | environment
    settings["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.extraction", "--task", task]
    run = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def bind_to_cores(threads: int) -> None:
    """Keep to as many cores: JAX has no other way to be told."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def speed_tables(threads: int) -> str:
    with_peers = child("peers", threads)
    fallback = child("alone", threads, HPCONV_CC="")
    peak, speeds, new = with_peers["peak"], [], []
    for workload, row in with_peers["rows"].items():
        row |= fallback["rows"][workload]
        ours = row["hpconv (c)"]["speed"]
        ratios = [f"{ours / peak:.0%}", f"{ours / row['torch.compile']['speed']:.2f}"]
        speeds.append([workload, *(f"{cell['speed']:.0f}" for cell in row.values()), *ratios])
        new.append([workload, *(f"{cell['new']:.2f}" for cell in row.values())])
    names = ["workload", *row]
    return (
        f"GFLOP/s, {threads} thread(s), sgemm peak {peak:.0f}\n\n"
        + table([*names, "hpconv (c) / peak", "hpconv (c) / torch.compile"], speeds)
        + f"\nA new architecture to its first batch, seconds, {threads} thread(s)\n\n"
        + table(names, new)
    )


TASKS: dict[str, Callable[[], dict[str, Any]]] = {
    "peers": lambda: measure(with_peers=True),
    "alone": lambda: measure(with_peers=False),
    "pipelines": pipelines.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        bind_to_cores(int(os.environ["OMP_NUM_THREADS"]))
        print(json.dumps(TASKS[args.task]()))
        return
    for threads in args.threads:
        print(speed_tables(threads), flush=True)
    print(pipelines.report(child("pipelines", max(args.threads))))


if __name__ == "__main__":
    main()
