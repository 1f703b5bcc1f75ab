"""Atomic writes: a reader finds the old file or the complete new one. JSON files."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def printable(path: Path | str) -> str:
    """A path as text that can be encoded, with escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def private_name(path: Path) -> Path:
    """A path beside path that no other process uses and nobody can predict.

    The host is part of it: process ids are not unique on a network file system.
    """
    own = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(8)}"
    return path.with_name(f".{path.name}.{own}")


def no_links(mode: int) -> Callable[[str, int], int]:
    """An opener for open(): it follows no symbolic link, and creates files with this mode."""
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, mode)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside path, moved over it when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = private_name(path)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_atomically(
    path: Path, content: bytes | str, *, mode: int = 0o666, durable: bool = False
) -> None:
    """Replace a file; links and files of others are never written to.

    Args:
        mode: permissions from the first byte on, less the umask.
        durable: whether the content must be on the disk before it gets its name.
    """
    with replacing(path) as unfinished, open(unfinished, "xb", opener=no_links(mode)) as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write value as indented JSON."""
    write_atomically(path, json.dumps(value, indent=2, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
