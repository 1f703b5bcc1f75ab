"""Export a winner to a file for other software, and compare the file's outputs."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hpconv.errors import UserError
from hpconv.files import replacing

if TYPE_CHECKING:  # shell completion imports FORMATS, and must not wait for engines
    from hpconv.export.check import Differences
    from hpconv.export.winner import Winner

# packages that each format needs, and the extra that installs them
FORMATS: dict[str, tuple[tuple[str, ...], str]] = {
    "npz": ((), ""),
    "onnx": (("onnx", "onnxruntime"), "export"),
    "pytorch": (("torch",), "gpu"),
}


def require(format_: str) -> None:
    """Check that a format can be written.

    Raises:
        UserError: when the format is unknown, or its packages are missing.
    """
    if format_ not in FORMATS:
        raise UserError(f"--format is '{format_}': write {', '.join(FORMATS)}")
    packages, extra = FORMATS[format_]
    if missing := [package for package in packages if find_spec(package) is None]:
        raise UserError(
            f"--format {format_} needs {' and '.join(missing)}: run pip install 'hpconv[{extra}]'"
        )


def export(winner: "Winner", format_: str, path: Path) -> "Differences":
    """Write a winner, and keep the file only if it gives the same outputs as this package.

    Args:
        format_: one that ``require`` accepts.

    Raises:
        UserError: when the outputs differ too much.
    """
    from hpconv.export.check import compare

    module = import_module(f"{__name__}.{format_}")
    with replacing(path) as unfinished:
        module.write(winner, unfinished)
        return compare(winner, module.load(unfinished))
