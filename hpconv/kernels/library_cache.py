"""Cache of compiled kernel libraries that loads only what this user or root has written.

The cache folder may be shared with other users, and its files may be damaged. A library is
therefore loaded only if it belongs to this user or root, nobody else may write to it, and its
content has the checksum that is part of its name.
"""

import ctypes
import hashlib
import logging
import os
import stat
from pathlib import Path

from hpconv.files import write_atomically

log = logging.getLogger(__name__)


def find(key: str) -> ctypes.CDLL | None:
    """The cached library with this key, or None."""
    for path in _folder().glob(f"kernels-{key}-*.so"):
        try:
            return _load(path)
        except OSError as error:
            log.warning("ignoring the cached kernel library %s: %s", path, error)
    return None


def add(key: str, built: Path) -> ctypes.CDLL:
    """Copy a library into the cache and load the copy; without a usable cache, load the original.

    Many processes may add a library at once, as files are replaced atomically.

    Raises:
        OSError: when the library cannot be loaded.
    """
    content = built.read_bytes()
    path = _folder() / f"kernels-{key}-{_checksum(content)}.so"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, content, mode=0o644)
        return _load(path)
    except OSError as error:
        log.warning("the compiled kernels cannot be cached: %s", error)
        return ctypes.CDLL(str(built))


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpconv"


def _load(path: Path) -> ctypes.CDLL:
    """Load a library of the cache.

    Raises:
        OSError: when it is not trusted, is damaged, or is no library for this machine.
    """
    with open(path, "rb", opener=_open_without_links) as file:
        check_trusted(os.fstat(file.fileno()))
        if _checksum(file.read()) != path.stem.rpartition("-")[2]:
            raise OSError("it is damaged")
        # load the checked file, even if its name refers to another one meanwhile
        descriptor = Path(f"/proc/self/fd/{file.fileno()}")
        return ctypes.CDLL(str(descriptor if descriptor.exists() else path))


def _open_without_links(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # a named pipe would block


def check_trusted(status: os.stat_result) -> None:
    """Raise OSError unless only this user or root can have written a file."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    if status.st_uid not in (0, os.getuid()):
        raise OSError(f"it belongs to another user (id {status.st_uid})")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError("other users may write to it")


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
