"""Publications and software that an experiment used, as BibTeX."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from hpconv.datasets.data_file import DataFile
from hpconv.trials import Trial

METHOD = ("bergstra2013making", "bergstra2015hyperopt")
TOOLS = ("pedregosa2011scikit", "molder2021snakemake")
SAMPLERS = {"tpe": "bergstra2011algorithms", "forest": "geurts2006extremely"}
DATA = {
    "digits": "alpaydin1998digits",
    "mnist": "lecun1998gradient",
    "fashion-mnist": "xiao2017fashion",
    "cifar10": "krizhevsky2009learning",
    "svhn": "netzer2011reading",
    "lfw": "huang2007labeled",
    "pubfig83": "pinto2011scaling",
}


def bibtex(folder: Path, history: list[Trial]) -> str:
    """BibTeX entries of what an experiment used.

    Args:
        folder: of the experiment, ``results/<experiment>``.
    """
    entries = {_key(entry): entry for entry in _entries()}
    keys = [*METHOD, *_of_search(history), *TOOLS, *_of_data(folder / "data.h5")]
    return "\n\n".join(entries[key] for key in keys) + "\n"


def _of_search(history: list[Trial]) -> Iterator[str]:
    """Keys of algorithms and engines, of all trials."""
    results = [trial["result"] for trial in history]
    sources = {trial["misc"].get("source") for trial in history}
    yield from (key for source, key in SAMPLERS.items() if source in sources)
    if any("rungs" in result for result in results):
        yield "li2020system"
    if any(result.get("engine") == "cpu" for result in results):
        yield "pytensor"
    if any(result.get("kernels") == "numba" for result in results):
        yield "lam2015numba"
    if any(result.get("engine") == "gpu" for result in results):
        yield "paszke2019pytorch"


def _of_data(path: Path) -> Iterator[str]:
    """The key of a published data set."""
    if path.exists():
        with DataFile(path) as data:
            if data.name in DATA:
                yield DATA[data.name]


def _entries() -> list[str]:
    text = (files("hpconv.report") / "assets" / "references.bib").read_text()
    return text.strip().split("\n\n")


def _key(entry: str) -> str:
    return entry.partition("{")[2].partition(",")[0]
