"""A trial's numeric trace: what each stage makes of a few fixed images, and who computed it.

A pipeline that is rebuilt later, or elsewhere, is the one that was selected if its trace agrees.
"""

import platform
import zlib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

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
N_VALUES = 3  # they show a changed order, which min, max, mean and std do not
GOLDEN = 0.6180339887  # its multiples, modulo 1, are evenly spread but hit no regular pattern
DIGITS = 7  # as many as float32 has
# Of a part's largest value. C, Numba and torch differ by up to 6e-6 as a rule, and by 3e-4 where
# filters are whitened with a gamma of 1e-8.
TOLERANCE = 1e-3
NUMBERS = ("min", "max", "mean", "std")
NAMES: dict[type, str] = {
    layers.Warp: "warp",
    Filter: "fbncc",
    layers.Lpool: "lpool",
    layers.LpoolAlpha: "lpool_alpha",
    layers.GridPool: "gridpool",
    layers.Lnorm: "lnorm",
}


def fixed_images(data: Path) -> np.ndarray:
    """The images of a data file that traces are made of: the first training images."""
    return protocols.unlabelled(data, N_IMAGES)


def record(extractor: Extractor, images: np.ndarray) -> dict[str, Any]:
    """What an extractor with learned filterbanks computes of images ``(n, C, H, W)``.

    Returns:
        ``versions``, of all that computes, and ``parts``: the images, then each stage's
        filterbank, if it has one, and its output, lowest stage first. A part has ``what`` it is,
        ``shape``, ``dtype``, ``min``, ``max``, ``mean``, ``std``, some ``values`` evenly spread,
        and ``crc32`` of its bytes.
    """
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
    """Versions of the libraries that compute with an engine, and which kernels they run."""
    found = {"python": platform.python_version(), "hpconv": __version__, "engine": engine}
    libraries = ["numpy", "scipy"]
    if engine == "gpu":
        libraries.append("torch")
    else:
        found["kernels"] = kernels.backend()
        libraries += ["pytensor", "numba"] if kernels.backend() == "numba" else ["pytensor"]
    return found | {name: _version(name) for name in libraries}


def verify(trial: Trial, extractor: Extractor, images: np.ndarray) -> str:
    """How a rebuilt pipeline agrees with what its trial computed in the search.

    Args:
        images: ``fixed_images`` of the search's data.

    Returns:
        ``bit for bit``; ``within X``, the largest difference relative to the largest value of a
        part; or ``unknown`` for the trial of a search that kept no traces.

    Raises:
        UserError: when they disagree; it names the first part that does.
    """
    then = trial["result"].get("trace")
    if then is None:
        return "unknown"
    now = record(extractor, images)
    # another number of stages shows in the first of them, "stage 1 of N"
    pairs = list(zip(then["parts"], now["parts"], strict=False))
    differences = [_difference(old, new) for old, new in pairs]
    wrong = next((i for i, part in enumerate(differences) if not part <= TOLERANCE), None)
    if wrong is not None:
        old, new = pairs[wrong]
        raise UserError(
            f"trial {trial['tid']} is not the pipeline that was selected: {old['what']} differs "
            f"{_how_much(differences[wrong])}: use the data and the versions of the search, or "
            f"search anew\nin the search: {_side(old, then)}\nhere: {_side(new, now)}"
        )
    if all(old["crc32"] == new["crc32"] for old, new in pairs):
        return "bit for bit"
    return f"within {max(*differences, 10.0**-DIGITS):.1e}"


_version = cache(metadata.version)  # it reads files


def _part(what: str, array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array)
    spread = (np.arange(1, N_VALUES + 1) * GOLDEN % 1 * array.size).astype(int)
    wide = array.astype("float64")
    numbers = (wide.min(), wide.max(), wide.mean(), wide.std())
    return {
        "what": what,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        **dict(zip(NUMBERS, map(_rounded, numbers), strict=True)),
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


def _difference(old: dict[str, Any], new: dict[str, Any]) -> float:
    """The largest difference of two parts' numbers, relative to the old one's largest value."""
    if any(old[key] != new[key] for key in ("what", "shape", "dtype")):
        return np.inf
    numbers = [np.array([*(part[key] for key in NUMBERS), *part["values"]]) for part in (old, new)]
    apart = float(np.abs(numbers[0] - numbers[1]).max())
    largest = max(abs(old["min"]), abs(old["max"]))
    return apart / largest if largest else np.inf if apart else 0.0


def _how_much(difference: float) -> str:
    if not np.isfinite(difference):
        return "in kind or shape"
    return f"by {difference:.1e} of its largest value, {TOLERANCE:g} are allowed"


def _side(part: dict[str, Any], whole: dict[str, Any]) -> str:
    figures = ", ".join(f"{key} {value}" for key, value in part.items() if key != "what")
    computed = ", ".join(f"{name} {number}" for name, number in whole["versions"].items())
    return f"{part['what']}: {figures}; {computed}"
