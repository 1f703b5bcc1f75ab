"""Typer callbacks that check options before a command starts, mostly the files in them."""

import math
import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import typer

from hpconv.errors import UserError

HDF5 = b"\x89HDF\r\n\x1a\n"  # the first bytes of every HDF5 file

Callback = Callable[[typer.Context, typer.CallbackParam, Path | None], Path | None]


def _callback(check: Callable[[str, Path], None]) -> Callback:
    """A callback that checks the path of an option, unless it is missing or Tab is pressed."""

    def checked(ctx: typer.Context, param: typer.CallbackParam, value: Path | None) -> Path | None:
        if value is not None and not ctx.resilient_parsing:
            check(max(param.opts, key=len), value)
        return value

    return checked


def _check_readable(option: str, path: Path) -> None:
    if not path.exists():
        here = path.parent
        names = [entry.name for entry in here.iterdir()] if here.is_dir() else []
        close = get_close_matches(path.name, names, n=1)
        hint = f"did you mean '{here / close[0]}'" if close else "write the path of an existing one"
        raise UserError(f"{option} is '{path}', which does not exist: {hint}")
    if not os.access(path, os.R_OK):
        raise UserError(
            f"{option} is '{path}', which you have no permission to read: ask its owner"
        )


def _check_file(option: str, path: Path) -> None:
    _check_readable(option, path)
    if path.is_dir():
        raise UserError(f"{option} is '{path}', which is a folder: write the path of a file")


def _check_hdf5(option: str, path: Path) -> None:
    _check_file(option, path)
    if _first_bytes(path, len(HDF5)) != HDF5:
        raise UserError(f"{option} is '{path}', which is no HDF5 file: write the path of one")


def _check_json(option: str, path: Path) -> None:
    _check_file(option, path)
    if _first_bytes(path, 1) != b"{":
        raise UserError(
            f"{option} is '{path}', which does not contain a JSON object: write the path of a "
            "file that does"
        )


def _check_writable(option: str, path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{option} is '{path}', which is a folder: write the path of a file in it")
    folder = next(above for above in path.absolute().parents if above.exists())
    if not folder.is_dir():
        raise UserError(f"{option} is '{path}', but {folder} is no folder: write another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{option} is '{path}', but you have no permission to write to {folder}: write another "
            "path"
        )


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def finite(param: typer.CallbackParam, value: float | None) -> float | None:
    """A callback that refuses infinity and NaN, which ranges let pass."""
    if value is not None and not math.isfinite(value):
        raise UserError(f"{max(param.opts, key=len)} is {value}: write a finite number of seconds")
    return value


read_any = _callback(_check_readable)
read_file = _callback(_check_file)
read_hdf5 = _callback(_check_hdf5)
read_json = _callback(_check_json)
write_file = _callback(_check_writable)  # missing folders are created later
