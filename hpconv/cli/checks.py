"""Files that options name, looked at before anything is computed; callbacks for Typer."""

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import typer

from hpconv.errors import UserError

HDF5 = b"\x89HDF\r\n\x1a\n"  # the first bytes of every HDF5 file

Callback = Callable[[typer.Context, typer.CallbackParam, Path | None], Path | None]


def _callback(check: Callable[[str, Path], None]) -> Callback:
    """Check an option's path, by the option's name, unless it is left out or Tab is pressed."""

    def checked(ctx: typer.Context, param: typer.CallbackParam, value: Path | None) -> Path | None:
        if value is not None and not ctx.resilient_parsing:
            check(max(param.opts, key=len), value)
        return value

    return checked


def _there(option: str, path: Path) -> None:
    if not path.exists():
        here = path.parent
        names = [entry.name for entry in here.iterdir()] if here.is_dir() else []
        close = get_close_matches(path.name, names, n=1)
        hint = f"did you mean '{here / close[0]}'" if close else "write the path of one that does"
        raise UserError(f"{option} is '{path}', which does not exist: {hint}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{option} is '{path}', which you may not read: ask its owner")


def _file(option: str, path: Path) -> None:
    _there(option, path)
    if path.is_dir():
        raise UserError(f"{option} is '{path}', which is a folder: write the path of a file")


def _hdf5(option: str, path: Path) -> None:
    _file(option, path)
    if _first_bytes(path, len(HDF5)) != HDF5:
        raise UserError(f"{option} is '{path}', which is no HDF5 file: write one that is")


def _json(option: str, path: Path) -> None:
    _file(option, path)
    if _first_bytes(path, 1) != b"{":
        raise UserError(
            f"{option} is '{path}', which does not begin with an object of JSON: write the path "
            "of a file that does"
        )


def _writable(option: str, path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{option} is '{path}', which is a folder: write the path of a file in it")
    folder = next(above for above in path.absolute().parents if above.exists())
    if not folder.is_dir():
        raise UserError(f"{option} is '{path}', but {folder} is no folder: write another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{option} is '{path}', but you may not write to {folder}: write another path"
        )


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


read_any = _callback(_there)
read_file = _callback(_file)
read_hdf5 = _callback(_hdf5)
read_json = _callback(_json)
write_file = _callback(_writable)  # in folders that will be made where they are missing
