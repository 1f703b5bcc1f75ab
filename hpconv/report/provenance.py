"""What an experiment was made with: enough to make it again, and nothing private."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hpconv import __version__, experiments, trials
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.files import read_json
from hpconv.processes import host_of
from hpconv.trials import Trial

LIBRARIES = (
    "numpy", "scipy", "pytensor", "scikit-learn", "hyperopt", "pymongo", "h5py", "snakemake",
)  # fmt: skip
COMPUTING = ("engine", "kernels")  # of a trace's versions: no libraries
CHECKOUT = Path(__file__).parents[2]
GIT_SECONDS = 5

Facts = dict[str, str]


def collect(folder: Path) -> dict[str, Facts]:
    """Software, Machine, Search and Data of an experiment; what is not there yet is left out.

    Args:
        folder: of the experiment, ``results/<experiment>``.
    """
    try:
        history = trials.read(experiments.history(folder))
    except UserError:  # a search that has just begun
        history = []
    return {
        "Software": _software(),
        "Machine": _machine(history),
        "Search": _search(folder / "search.json", history),
        "Data": _data(folder / "data.h5"),
    }


def _software() -> Facts:
    revision = _revision()
    own = f"{__version__}, revision {revision}" if revision else __version__
    return {"hpconv": own, "Python": platform.python_version(), **dict(_versions())}


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:  # the report may be written where no search runs
            continue


def _revision() -> str | None:
    """The commit of the workflow, marked if files differ from it; None if it is no checkout."""
    if not (CHECKOUT / ".git").exists():
        return None
    git = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _machine(history: list[Trial]) -> Facts:
    """What computed the trials, and what wrote the report."""
    facts = {"report written on": f"{platform.system()} {platform.machine()}, {_processor()}"}
    computed = [trial["result"] for trial in history if "engine" in trial.get("result", {})]
    if not computed:
        return facts
    engines = [_engine(result) for result in computed]
    hosts = [host_of(owner) for trial in history if (owner := trial.get("owner"))]
    traces = [result["trace"]["versions"] for result in computed if "trace" in result]
    libraries = [f"{n} {v}" for each in traces for n, v in each.items() if n not in COMPUTING]
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
        ended = read_json(summary)
        asked = {k: v for k, v in ended["search"].items() if v not in (None, {})}
        facts = {key.replace("_", " "): _words(value) for key, value in asked.items()}
        facts |= {"workers": str(ended["workers"]), "ended because": ended["stopped"]}
    if not history:
        return facts
    seconds = sum(sum(t["result"].get("seconds", {}).values()) for t in history)
    begun = [str(time) for trial in history if (time := trial.get("book_time"))]
    ended_at = [str(time) for trial in history if (time := trial.get("refresh_time"))]
    return facts | {
        "trials": f"{len(history)}, {len(trials.succeeded(history))} of them with a result",
        "first trial begun": _minute(min(begun)) if begun else "not known",
        "last trial ended": _minute(max(ended_at)) if ended_at else "not known",
        "evaluation time": f"{_long(seconds)} of all workers together",
    }


def _data(path: Path) -> Facts:
    if not path.exists():
        return {}
    with DataFile(path) as data:
        count, *shape = data.images.shape
        splits = data.splits
        purposes = {"to learn from": splits.train, "to choose by": splits.validation}
        parts = [f"{len(examples):,} {purpose}" for purpose, examples in purposes.items()]
        tests = [len(fold.test) for fold in splits.folds]
        parts.append(f"{tests[0]:,} to judge by" + (f" in {len(tests)} folds" * (len(tests) > 1)))
        facts = {
            "name": data.name,
            "images": f"{count:,} of {'×'.join(map(str, shape))}",
            "pairs of images" if data.has_pairs else "examples": ", ".join(parts),
            "classes": str(len(data.classes)),
            "checksum": data.checksum,
        }
        skipped = len(data.skipped)
    return facts | ({"skipped": f"{skipped:,} files that were no images"} if skipped else {})


def _processor() -> str:
    """The name of the processor and how many cores of it may be used."""
    name = platform.processor() or "a processor without a name"
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = named[0].partition(":")[2].strip() if named else name
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def _counted(names: list[str]) -> str:
    """Each name once; with how often, where there are several."""
    counts = Counter(names).most_common()
    if len({count for _, count in counts}) < 2:
        return ", ".join(name for name, _ in counts)
    return ", ".join(f"{name} ({count})" for name, count in counts)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return str(value)


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"


def _minute(time: str) -> str:
    """A trial's time, which is UTC, without its seconds."""
    return f"{time[:16].replace('T', ' ')} UTC"
