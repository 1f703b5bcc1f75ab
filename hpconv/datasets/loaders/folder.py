"""A folder with a sub-folder of image files for each class, or with such folders for each part.

The parts are ``train``, ``test`` and optionally ``val``, ``valid`` or ``validation``, in upper or
lower case, each with the same classes.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import image_files, user_data
from hpconv.datasets.data_file import Splits
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.datasets.image_folder import Ignored, list_folders, list_images
from hpconv.errors import printable

PARTS = {"train": "train", "test": "test"} | dict.fromkeys(
    ("val", "valid", "validation"), "validation"
)

log = logging.getLogger(__name__)


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images of all classes, part by part; classes are named like their sub-folders.

    Raises:
        UserError: when there are no sub-folders, one has too few images, or parts do not match.
    """
    root = user_data.required_path(
        settings, "a folder with a sub-folder for each class", Path.is_dir
    )
    ignored: Ignored = Counter()
    listed = _list(root, ignored)
    strata = [image.part + image.class_name for image in listed]
    images = user_data.fraction(settings, listed, strata)
    parts = np.array([image.part for image in images])
    labels, classes = user_data.encode_labels([image.class_name for image in images])
    expected = [part for part in user_data.PARTS if part in parts]

    def splits(examples: np.ndarray | slice) -> Splits | None:
        by_name = user_data.parts_by_name(parts[examples], expected)
        return user_data.splits_of_parts(root, labels[examples], classes, by_name)

    splits(slice(None))  # fail before images are decoded
    paths = [image.path for image in images]
    written, skipped = image_files.decode_files(paths, settings, writer)
    return Content(
        labels[written],
        classes,
        splits(written),
        skipped=skipped,
        ignored=ignored,
        names=[printable(paths[number]) for number in written],
        is_fraction=True,
    )


class _Image(NamedTuple):
    path: Path
    class_name: str
    part: str  # empty where splits are to be drawn


def _list(root: Path, ignored: Ignored) -> list[_Image]:
    folders = list_folders(root, ignored)
    part_folders = _part_folders(root, folders)
    images = [] if part_folders else list(_class_images(root, folders, "", ignored))
    for part, folder in part_folders.items():
        images += _class_images(folder, list_folders(folder, ignored), part, ignored)
    if ignored:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
        log.warning("Ignored in %s: %s", root, counts)
    _check_once(root, images)
    return images


def _check_once(root: Path, images: list[_Image]) -> None:
    """A file that is linked to could be in both train and test."""
    first: dict[str, Path] = {}
    for image in images:
        path = first.setdefault(os.path.realpath(image.path), image.path)
        if path != image.path:
            raise user_data.path_error(
                root, f"has the same file as {path} and {image.path}: delete one of the links"
            )


def _part_folders(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Folders by the name of their part; {} where the folders are classes.

    Raises:
        UserError: when some of the folders are parts and others are not, or a part is missing.
    """
    parts = [folder for folder in folders if folder.name.lower() in PARTS]
    found = {PARTS[folder.name.lower()]: folder for folder in parts}
    if "train" not in found or len(found) == 1:
        return {}
    named = ", ".join(folder.name for folder in parts)
    others = [folder.name for folder in folders if folder not in parts]
    if others:
        raise user_data.path_error(
            root, f"has the parts {named} and also {', '.join(others)}: move these elsewhere"
        )
    if len(parts) > len(found):
        raise user_data.path_error(root, f"has the parts {named}: keep one for each part")
    if "test" not in found:
        raise user_data.path_error(
            root, f"has the parts {named} but no folder test: add it, or merge the parts"
        )
    return {part: found[part] for part in user_data.PARTS if part in found}


def _class_images(root: Path, folders: list[Path], part: str, ignored: Ignored) -> Iterator[_Image]:
    if not folders:
        raise user_data.path_error(root, "has no sub-folders: it must have one for each class")
    for folder in folders:
        name = printable(folder.relative_to(root))
        if name != folder.name:
            raise user_data.path_error(
                root, f"has a sub-folder '{name}', whose name is not UTF-8: rename it"
            )
        paths = list_images(folder, ignored)
        if not paths:
            raise user_data.path_error(folder, "has no image files: add some, or delete it")
        if len(folders) == 1 and all(path.parent != folder for path in paths):
            raise user_data.path_error(
                root,
                f"has a single class, '{folder.name}', whose images are all in sub-folders: write "
                f"'data.path: {folder}' if those are the classes",
            )
        yield from (_Image(path, folder.name, part) for path in paths)
