"""kernels.c as a shared library: compiled once per machine, loaded with ctypes.

``HPCONV_CC`` names the compiler; without it the first of cc, gcc and clang is taken, and
none where it is empty. The library lies in ``$XDG_CACHE_HOME/hpconv`` (``~/.cache/hpconv``).
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.c")
FLAGS = [
    *("-std=gnu11", "-O3", "-march=native", "-mtune=generic", "-fopenmp-simd"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fwrapv"),
    *("-shared", "-fPIC"),
]
log = logging.getLogger(__name__)


def backend() -> str:
    """The implementation in use, ``c`` or ``numba``."""
    return "c" if library() else "numba"


def threads() -> int:
    """OMP_NUM_THREADS, else PBS_NCPUS, else the processors this process may use."""
    for name in ("OMP_NUM_THREADS", "PBS_NCPUS"):
        value = os.environ.get(name, "").split(",")[0]
        if value.isdigit() and int(value):
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None where there is no working C compiler."""
    compiler = shlex.split(os.environ.get("HPCONV_CC", _first_compiler()))
    if not compiler or not shutil.which(compiler[0]):
        return None
    target = _cache_dir() / f"kernels-{_key(compiler)}.so"
    try:
        if not target.exists():
            _compile(compiler, target)
        return _load(target)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or error
        log.warning("kernels.c cannot be used, Numba takes its place: %s", why)
        return None


def _load(target: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(target))
    lib.layer.argtypes = [ctypes.c_void_p]
    lib.pack.argtypes = [ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    lib.pack.restype = None
    return lib


def _first_compiler() -> str:
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpconv"


def _key(compiler: list[str]) -> str:
    """Hash of all that decides the machine code: source, flags, compiler, processor."""
    binary = Path(str(shutil.which(compiler[0]))).resolve()
    stat = binary.stat()
    version = [str(binary), str(stat.st_size), str(stat.st_mtime_ns)]
    parts = [SOURCE.read_text(), *FLAGS, *compiler, *version, *_processor()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _processor() -> list[str]:
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return [platform.machine(), platform.processor()]
    names = ("model name", "flags", "Features", "CPU part")
    return [line for line in first.splitlines() if line.startswith(names)]


def _compile(compiler: list[str], target: Path) -> None:
    """Many processes may compile at once: each renames a finished file into place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / target.name
        command = [*compiler, *FLAGS, str(SOURCE), "-o", str(built), "-lm", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        built.replace(target)
