"""Numeric traces: statistics of each stage's output for a few fixed images, and versions.

A trial stores the trace of its pipeline. A rebuilt pipeline, possibly on another machine, must
have the same trace within a tolerance.
"""

import platform
import zlib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal, TypedDict, cast

import numpy as np

from hpconv import __version__, kernels
from hpconv.datasets import protocols
from hpconv.engines import choose
from hpconv.errors import UserError
from hpconv.features.extractor import Extractor
from hpconv.model import layers
from hpconv.model.layers import Filter, Layer
from hpconv.trials import Trial

N_IMAGES = 32
N_VALUES = 3  # they reveal a changed order; min, max, mean and std do not
GOLDEN = 0.6180339887  # its multiples modulo 1 are evenly spread without a period
DIGITS = 7  # significant digits of float32
# Relative to the largest value of a part. C, Numba and torch usually differ by up to 6e-6, and by
# up to 3e-4 if filters are whitened with a gamma of 1e-8.
TOLERANCE = 1e-3
Statistic = Literal["min", "max", "mean", "std"]
STATISTICS: tuple[Statistic, ...] = ("min", "max", "mean", "std")
NAMES: dict[type, str] = {
    layers.Warp: "warp",
    Filter: "fbncc",
    layers.Lpool: "lpool",
    layers.LpoolAlpha: "lpool_alpha",
    layers.GridPool: "gridpool",
    layers.Lnorm: "lnorm",
}


class Part(TypedDict):
    """Statistics of one array of a trace."""

    what: str  # the input, or a stage's filters or output
    shape: list[int]
    dtype: str
    min: float
    max: float
    mean: float
    std: float
    values: list[float]  # N_VALUES, evenly spread
    crc32: str  # of the bytes, hexadecimal


class Trace(TypedDict):
    """The trace of a trial: the input, then each stage's filters and output, lowest first."""

    parts: list[Part]
    versions: dict[str, str]


def fixed_images(data: Path) -> np.ndarray:
    """The images of a data file for traces: the first N_IMAGES training images."""
    return protocols.unlabelled(data, N_IMAGES)


def record(extractor: Extractor, images: np.ndarray) -> Trace:
    """The trace of an extractor for images ``(n, C, H, W)``."""
    parts = [_part("the input", images)]
    stages = extractor.pipeline.stages
    outputs = extractor.stage_outputs(images)
    for number, (stage, maps) in enumerate(zip(stages, outputs, strict=True), start=1):
        what = f"stage {number} of {len(stages)}"
        for layer in stage:
            if isinstance(layer, Filter) and layer.bank:
                parts.append(_part(f"{what} (filters of {_name(layer)})", layer.bank.filters))
        parts.append(_part(f"{what} ({', '.join(map(_name, stage))})", maps))
    return {"parts": parts, "versions": versions(choose(extractor.engine))}


def versions(engine: str) -> dict[str, str]:
    """Versions of the libraries that an engine (cpu or gpu) uses, and its kernels."""
    found = {"python": platform.python_version(), "hpconv": __version__, "engine": engine}
    libraries = ["numpy", "scipy"]
    if engine == "gpu":
        libraries.append("torch")
    else:
        found["kernels"] = kernels.backend()
        libraries += ["pytensor", "numba"] if kernels.backend() == "numba" else ["pytensor"]
    return found | {name: _version(name) for name in libraries}


def verify(trial: Trial, extractor: Extractor, images: np.ndarray) -> str:
    """Compare the trace of a rebuilt pipeline with that of its trial in the search.

    Args:
        images: ``fixed_images`` of the data of the search.

    Returns:
        ``bit for bit``; ``within X``, the largest difference relative to the largest value of a
        part; or ``unknown`` if the trial has no trace.

    Raises:
        UserError: when the traces differ; the message names the first part that differs.
    """
    if "trace" not in trial["result"]:
        return "unknown"
    then = cast(Trace, trial["result"]["trace"])
    now = record(extractor, images)
    # if the numbers of stages differ, so do the names of the first, "stage 1 of N"
    pairs = list(zip(then["parts"], now["parts"], strict=False))
    differences = [_difference(old, new) for old, new in pairs]
    wrong = next((i for i, part in enumerate(differences) if not part <= TOLERANCE), None)
    if wrong is not None:
        old, new = pairs[wrong]
        raise UserError(
            f"trial {trial['tid']} is not the pipeline that was selected: {old['what']} differs "
            f"{_how_much(differences[wrong])}: use the data and the versions of the search, or "
            f"repeat the search\nin the search: {_side(old, then)}\nhere: {_side(new, now)}"
        )
    if all(old["crc32"] == new["crc32"] for old, new in pairs):
        return "bit for bit"
    return f"within {max(*differences, 10.0**-DIGITS):.1e}"


_version = cache(metadata.version)  # cached, as it reads files


def _part(what: str, array: np.ndarray) -> Part:
    array = np.ascontiguousarray(array)
    spread = (np.arange(1, N_VALUES + 1) * GOLDEN % 1 * array.size).astype(int)
    wide = array.astype("float64")
    return {
        "what": what,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "min": _rounded(wide.min()),
        "max": _rounded(wide.max()),
        "mean": _rounded(wide.mean()),
        "std": _rounded(wide.std()),
        "values": [_rounded(value) for value in array.ravel()[spread]],
        "crc32": f"{zlib.crc32(array.tobytes()):08x}",
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _name(layer: Layer) -> str:
    size = next(
        getattr(layer, key) for key in ("size", "ker_size", "grid_res") if hasattr(layer, key)
    )
    return f"{NAMES[type(layer)]} {size}x{size}"


def _difference(old: Part, new: Part) -> float:
    """The largest difference of two parts, relative to the largest value of the old one."""
    if (old["what"], old["shape"], old["dtype"]) != (new["what"], new["shape"], new["dtype"]):
        return np.inf
    apart = float(np.abs(_numbers(old) - _numbers(new)).max())
    largest = max(abs(old["min"]), abs(old["max"]))
    return apart / largest if largest else np.inf if apart else 0.0


def _numbers(part: Part) -> np.ndarray:
    return np.array([*(part[key] for key in STATISTICS), *part["values"]])


def _how_much(difference: float) -> str:
    if not np.isfinite(difference):
        return "in kind or shape"
    return f"by {difference:.1e} of its largest value, more than {TOLERANCE:g}"


def _side(part: Part, whole: Trace) -> str:
    figures = ", ".join(f"{key} {value}" for key, value in part.items() if key != "what")
    computed = ", ".join(f"{name} {number}" for name, number in whole["versions"].items())
    return f"{part['what']}: {figures}; {computed}"
