"""A winner as a file that others can load: written, read back, and compared with ours."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from hpconv.errors import UserError
from hpconv.export.check import Differences, compare
from hpconv.export.winner import Winner
from hpconv.files import replacing

# what each format needs, and the extra that installs it
FORMATS: dict[str, tuple[tuple[str, ...], str]] = {
    "npz": ((), ""),
    "onnx": (("onnx", "onnxruntime"), "export"),
    "pytorch": (("torch",), "gpu"),
}


def require(format_: str) -> None:
    """Make sure that a format can be written here.

    Raises:
        UserError: for one that is not known, or whose packages are missing.
    """
    if format_ not in FORMATS:
        raise UserError(f"--format is '{format_}': write {', '.join(FORMATS)}")
    packages, extra = FORMATS[format_]
    if missing := [package for package in packages if find_spec(package) is None]:
        raise UserError(
            f"--format {format_} needs {' and '.join(missing)}: run pip install 'hpconv[{extra}]'"
        )


def export(winner: Winner, format_: str, path: Path) -> Differences:
    """Write a winner; the file is there only if it computes what our extractor computes.

    Args:
        format_: one that ``require`` accepts.

    Returns:
        how much the file's outputs differ from ours.

    Raises:
        UserError: when that is too much.
    """
    module = import_module(f"{__name__}.{format_}")
    with replacing(path) as unfinished:
        module.write(winner, unfinished)
        return compare(winner, module.load(unfinished))
