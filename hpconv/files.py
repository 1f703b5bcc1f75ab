"""Atomic writes: a reader finds the old file or the complete new one. JSON files."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpconv.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


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


def read_json(path: Path, form: Any = Any) -> Any:
    """Read a JSON file and check its form.

    Args:
        form: type whose keys and values the content must have; it may have more keys.

    Raises:
        UserError: when the content is not JSON or has another form.
    """
    return parse_json(Path(path).read_bytes(), form, str(path))


def parse_json(text: bytes | str, form: Any, source: str) -> Any:
    """Parse JSON text and check its form; source names the text in messages.

    Raises:
        UserError: when the text is not JSON or has another form.
    """
    from pydantic_core import from_json  # here, as 'hpconv --help' imports this module

    try:
        content = from_json(text)  # equal short strings are one object, in all calls
        _checker(form).validate_python(content, strict=True)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, error) from None
    return content


def select_json(text: bytes | str, form: Any, source: str) -> Any:
    """As ``parse_json``, but only the keys of form become objects: less time and memory.

    Raises:
        UserError: as ``parse_json``.
    """
    try:
        return _checker(form).validate_json(text, strict=True)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, error) from None


def _damaged(source: str, error: Exception) -> UserError:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return UserError(f"{source} is damaged or no JSON file: {error}")
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"])) or "its content"
    return UserError(f"{source} is damaged or not written by hpconv, {key}: {first['msg']}")


@cache
def _checker(form: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(form)
