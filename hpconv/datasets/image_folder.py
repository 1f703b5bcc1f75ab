"""Lists the image files in a folder, and counts what is ignored by the reason."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from hpconv.datasets.image_formats import has_image_name
from hpconv.errors import printable

THUMBNAIL_FOLDERS = ("@eaDir", ".thumbnails")  # of Synology and of desktops

HIDDEN_FOLDERS = "hidden folders"

Ignored = Counter[str]  # number of files or folders by reason


def list_images(folder: Path, ignored: Ignored) -> list[Path]:
    """Image files at any depth, sorted; links to folders are not followed.

    Args:
        ignored: counts everything else.
    """
    images: list[Path] = []
    unreadable = "folders that may not be read"
    for name, folders, files in os.walk(folder, onerror=lambda _: ignored.update([unreadable])):
        parent = Path(name)
        kept = _keep((parent / each for each in folders), _folder_problem, ignored)
        folders[:] = [each.name for each in kept]
        images += _keep((parent / each for each in files), _file_problem, ignored)
    return sorted(images)


def list_folders(folder: Path, ignored: Ignored) -> list[Path]:
    """Folders and links to folders directly in a folder, sorted.

    Args:
        ignored: counts everything else.
    """
    return _keep(sorted(folder.iterdir()), _top_level_problem, ignored)


def _keep(
    paths: Iterable[Path], problem: Callable[[Path], str | None], ignored: Ignored
) -> list[Path]:
    kept = []
    for path in paths:
        if reason := problem(path):
            ignored[reason] += 1
        else:
            kept.append(path)
    return kept


def _top_level_problem(path: Path) -> str | None:
    if path.is_dir():
        problem = _name_problem(path, "folders")  # a hidden one may be a class
        return f"hidden folder '{printable(path.name)}'" if problem == HIDDEN_FOLDERS else problem
    if path.is_symlink() and not path.exists():
        return "broken links"
    return _name_problem(path, "files") or "files in no sub-folder"


def _folder_problem(path: Path) -> str | None:
    return _name_problem(path, "folders") or ("linked folders" if path.is_symlink() else None)


def _file_problem(path: Path) -> str | None:
    if problem := _name_problem(path, "files"):
        return problem
    if not path.is_file():
        return "broken links" if path.is_symlink() else "special files"
    if not has_image_name(path):
        return f"{path.suffix.lower()} files" if path.suffix else "files without a suffix"
    return None


def _name_problem(path: Path, kind: str) -> str | None:
    if path.name in THUMBNAIL_FOLDERS:
        return "thumbnail folders"
    return f"hidden {kind}" if path.name.startswith(".") else None
