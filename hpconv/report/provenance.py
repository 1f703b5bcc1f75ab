"""Provenance: versions, machine, settings and data of an experiment; no private data."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hpconv import __version__, trials
from hpconv.config import load
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.processes import host_of
from hpconv.report import contact_sheet
from hpconv.trials import Trial

LIBRARIES = (
    "numpy", "scipy", "pytensor", "scikit-learn", "hyperopt", "pymongo", "h5py", "snakemake",
)  # fmt: skip
NOT_LIBRARIES = ("engine", "kernels")  # among the versions of a trace
CHECKOUT = Path(__file__).parents[2]
GIT_SECONDS = 5

Facts = dict[str, str]  # text by name
Provenance = dict[str, Facts]  # by heading


def collect(folder: Path, history: list[Trial]) -> Provenance:
    """Facts about software, machine, search and data, as far as they are known yet.

    Args:
        folder: of the experiment, ``results/<experiment>``.
    """
    return {
        "Software": _software(),
        "Machine": _machine(history),
        "Search": _search(folder / "search.json", history),
        "Model": _model(history),
        "Data": _data(folder),
    }


@cache
def _software() -> Facts:
    revision = _revision()
    own = f"{__version__}, revision {revision}" if revision else __version__
    return {"hpconv": own, "Python": platform.python_version(), **dict(_versions())}


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except (
            PackageNotFoundError
        ):  # libraries of the search may be missing where the report is written
            continue


def _revision() -> str | None:
    """The commit of the workflow, marked if files differ from it; None outside a Git checkout."""
    if not (CHECKOUT / ".git").exists():
        return None
    git = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _machine(history: list[Trial]) -> Facts:
    """The machines that computed the trials and wrote the report."""
    facts = {"report written on": f"{platform.system()} {platform.machine()}, {_processor()}"}
    computed = [trial["result"] for trial in history if "engine" in trial.get("result", {})]
    if not computed:
        return facts
    engines = [_engine(result) for result in computed]
    hosts = [host_of(owner) for trial in history if (owner := trial.get("owner"))]
    traces = [result["trace"]["versions"] for result in computed if "trace" in result]
    libraries = [f"{n} {v}" for each in traces for n, v in each.items() if n not in NOT_LIBRARIES]
    return {
        "trials computed by": _counted(engines),
        "trials computed on": _counted(hosts),
        "trials computed with": _counted(libraries),
        **facts,
    }


def _engine(result: trials.Result) -> str:
    kernels = f", {result['kernels']} kernels" if "kernels" in result else ""
    return f"engine {result['engine']}{kernels}"


def _search(summary: Path, history: list[Trial]) -> Facts:
    facts: Facts = {}
    if summary.exists():
        ended = trials.read_summary(summary)
        settings = {k: v for k, v in ended["search"].items() if v not in (None, {})}
        if "start_from" in settings:  # without the path to the experiment, which may be private
            settings["start_from"] = "/".join(Path(settings["start_from"]).parts[-2:])
        else:
            settings.pop("start_from_best", None)
        facts = {key.replace("_", " "): _words(value) for key, value in settings.items()}
        facts |= {
            "workers": str(ended.get("workers", "unknown")),
            "reason for the end": ended["stopped"],
        }
    if not history:
        return facts
    seconds = sum(sum(t["result"].get("seconds", {}).values()) for t in history)
    starts = [str(time) for trial in history if (time := trial.get("book_time"))]
    ends = [str(time) for trial in history if (time := trial.get("refresh_time"))]
    return facts | {
        "trials": f"{len(history):,}, of which {len(trials.succeeded(history)):,} succeeded",
        "start of the first trial": _minute(min(starts)) if starts else "unknown",
        "end of the last trial": _minute(max(ends)) if ends else "unknown",
        "evaluation time": f"{_long(seconds)}, summed over workers",
    }


def _model(history: list[Trial]) -> Facts:
    """Section ``model`` of the configuration, as trials record it."""
    found = next((model for trial in history if (model := trial["misc"].get("model"))), {})
    return {key.replace("_", " "): _words(value) for key, value in found.items()}


def _path(folder: Path) -> str | None:
    """The configured place of the images, without its beginning, which may be private."""
    with suppress(OSError, UserError):
        path = load(folder / "config.json").data.path
        return None if path is None else "/".join(path.parts[-2:])
    return None


def _data(folder: Path) -> Facts:
    path = folder / "data.h5"
    if not path.exists():
        return {}
    with DataFile(path) as data:
        count, *shape = data.images.shape
        sizes = contact_sheet.parts(data).items()
        counts = ", ".join(f"{len(examples):,} {part}" for part, examples in sizes)
        if (n_folds := len(data.splits.folds)) > 1:
            counts += f" in each of {n_folds} folds"
        facts = {
            "name": data.name,
            "images": f"{count:,} of {'×'.join(map(str, shape))}",
            "pairs of images" if data.has_pairs else "examples": counts,
            "classes": str(len(data.classes)),
            "checksum": data.checksum,
        }
        skipped, copies = len(data.left_out("skipped")), len(data.left_out("copies"))
        ignored = ", ".join(data.left_out("ignored"))
    facts |= {"path": place} if (place := _path(folder)) else {}
    facts |= {"skipped": f"{skipped:,} files that cannot be read"} if skipped else {}
    facts |= {"not used": f"{copies:,} copies of other images"} if copies else {}
    return facts | ({"ignored": ignored} if ignored else {})


def _processor() -> str:
    """The name of the processor and the number of cores available to this process."""
    name = platform.processor() or "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = named[0].partition(":")[2].strip() if named else name
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def _counted(names: list[str]) -> str:
    """Distinct names, with their counts if those differ."""
    counts = Counter(names).most_common()
    if len({count for _, count in counts}) < 2:
        return ", ".join(name for name, _ in counts)
    return ", ".join(f"{name} ({count})" for name, count in counts)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"


def _minute(time: str) -> str:
    """A trial's time without seconds."""
    return f"{time[:16].replace('T', ' ')} UTC"
