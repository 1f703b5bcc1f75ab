"""Checks this machine: Python, libraries, kernels, engine and mongod, with advice."""

import os
import platform
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

from hpconv import __version__, engines, kernels
from hpconv.errors import UserError
from hpconv.mongodb.binary import find_mongod
from hpconv.mongodb.open_files import allowed_files, max_workers

MISSING = "missing"
MANY_WORKERS = 500
LIBRARIES = ("numpy", "scipy", "h5py", "pytensor", "sklearn", "PIL", "pymongo", "hyperopt")


class Finding(NamedTuple):
    """One line of the table; ``advice`` is empty if nothing needs to be done.

    Attributes:
        public: whether the line never contains names or paths.
    """

    subject: str
    found: str
    advice: str = ""
    public: bool = False

    def anonymous(self) -> Self:
        """The line without names and paths."""
        if self.public:
            return self
        advised = "has advice" if self.advice else "ok"
        return self._replace(found=MISSING if self.found == MISSING else advised, advice="")


def examine(mongod: str | None) -> Iterator[Finding]:
    """Check Python, kernels, engine and server."""
    yield Finding("hpconv", f"{__version__}, Python {platform.python_version()}", public=True)
    yield _home()
    yield from _foreign()
    yield _kernels()
    yield _attempt("engine", lambda: engines.choose("auto"))
    yield _attempt("mongod", lambda: find_mongod(mongod).path)
    yield _workers()


def _home() -> Finding:
    """Libraries keep compiled code in the home folder."""
    home = Path.home()
    if os.access(home, os.W_OK | os.X_OK):
        return Finding("home", str(home))
    advice = "set HOME to a folder of your own: libraries keep compiled code there"
    return Finding("home", f"{home}, which cannot be written", advice)


def _foreign() -> Iterator[Finding]:
    """Packages that PYTHONPATH puts before those that hpconv was installed with."""
    folders = [Path(each).resolve() for each in os.environ.get("PYTHONPATH", "").split(":") if each]
    for name in LIBRARIES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is not None and any(folder in origin.parents for folder in folders):
            yield Finding(name, f"{origin.parent}, from PYTHONPATH", "unset PYTHONPATH")


def _kernels() -> Finding:
    found = f"{kernels.backend()}, {kernels.threads()} threads"
    if kernels.backend() == "c":
        return Finding("kernels", found, public=True)
    advice = "install a C compiler (gcc or clang): features are computed 3 to 5 times faster"
    return Finding("kernels", found, advice, public=True)


def _workers() -> Finding:
    found = f"at most {max_workers()}: a server on this host may open {allowed_files()} files"
    advice = "for more, have the hard limit of open files raised (ulimit -Hn)"
    return Finding("workers", found, advice if max_workers() < MANY_WORKERS else "", public=True)


def _attempt(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, look())
    except UserError as error:
        return Finding(subject, MISSING, str(error))
