"""A folder with a sub-folder of image files for each class."""

import logging
from pathlib import Path

from hpconv.config import DataSettings
from hpconv.datasets import image_files, user_data
from hpconv.datasets.data_writer import Content, ImageWriter
from hpconv.datasets.image_formats import has_image_name

log = logging.getLogger(__name__)


def load(settings: DataSettings, writer: ImageWriter) -> Content:
    """Write the images of all classes; the class names are those of the sub-folders.

    Raises:
        UserError: when there are no sub-folders, or one has too few images.
    """
    root = user_data.required_path(
        settings, "a folder with a sub-folder for each class", Path.is_dir
    )
    by_class = _files(root)
    paths = [path for found in by_class.values() for path in found]
    labels, classes = user_data.encode_labels(
        [name for name, found in by_class.items() for _ in found]
    )
    user_data.check_class_sizes(root, labels, classes)
    written, skipped = image_files.decode_files(paths, settings, writer)
    user_data.check_class_sizes(root, labels[written], classes)
    return Content(labels[written], classes, skipped=skipped)


def _files(root: Path) -> dict[str, list[Path]]:
    """Image files by class; other files are told of in the log, hidden ones are not there."""
    by_class, others = {}, 0
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            others += 1
            continue
        files = [path for path in sorted(entry.rglob("*")) if _counts(path, entry)]
        by_class[entry.name] = [path for path in files if has_image_name(path)]
        others += len(files) - len(by_class[entry.name])
        if not by_class[entry.name]:
            raise user_data.path_error(entry, "has no image files: fill it, or remove it")
    if not by_class:
        raise user_data.path_error(root, "has no sub-folders: it must have one for each class")
    if others:
        log.info(f"{others} files of {root} are ignored: in no sub-folder, or not named as images")
    return by_class


def _counts(path: Path, below: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(below).parts)
    return not hidden and path.is_file()
