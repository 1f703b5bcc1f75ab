"""kernels.c as a shared library: compiled once per machine, loaded with ctypes.

``HPCONV_CC`` names the compiler; by default it is the first of cc, gcc and clang. An empty value
selects Numba instead. The library is cached in ``$XDG_CACHE_HOME/hpconv`` (``~/.cache/hpconv``).
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

from hpconv.kernels import library_cache

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
    """The compiled kernels, or None without a working C compiler."""
    compiler = shlex.split(os.environ.get("HPCONV_CC", _first_compiler()))
    if not compiler or not shutil.which(compiler[0]):
        return None
    try:
        key = _key(compiler)
        return _declared(library_cache.find(key) or _build(compiler, key))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        log.warning("kernels.c cannot be compiled or loaded, using Numba: %s", reason)
        return None


def _build(compiler: list[str], key: str) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="hpconv-") as private:
        built = Path(private) / "kernels.so"
        command = [*compiler, *FLAGS, str(SOURCE), "-o", str(built), "-lm", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return library_cache.add(key, built)


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    lib.layer.argtypes = [ctypes.c_void_p]
    lib.pack.argtypes = [ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    lib.pack.restype = None
    return lib


def _first_compiler() -> str:
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")


def _key(compiler: list[str]) -> str:
    """Hash of everything that determines the machine code: source, flags, compiler, processor."""
    binary = Path(str(shutil.which(compiler[0]))).resolve()
    status = binary.stat()
    version = [str(binary), str(status.st_size), str(status.st_mtime_ns)]
    parts = [SOURCE.read_text(), *FLAGS, *compiler, *version, *_processor()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _processor() -> list[str]:
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return [platform.machine(), platform.processor()]
    names = ("model name", "flags", "Features", "CPU part")
    return [line for line in first.splitlines() if line.startswith(names)]
