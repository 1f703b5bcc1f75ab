"""What the loaders of somebody's own images have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.datasets.settings import DataSettings
from hpconv.errors import UserError

PARTS = ("train", "validation", "test")
MIN_PER_CLASS = 4  # examples of a class: two to train on, one to validate, one to test


def required_path(settings: DataSettings, what: str, is_current: Callable[[Path], bool]) -> Path:
    """The path that a configuration must give.

    Args:
        what: it should be, in words.

    Raises:
        UserError: when it is left out, or when nothing of the kind is there.
    """
    if settings.path is None:
        raise UserError(
            f"config key 'data.path' is missing: data.name {settings.name} needs {what}"
        )
    path = Path(settings.path)
    if not is_current(path):
        raise path_error(path, f"is not there, or not {what}")
    return path


def path_error(path: Path, text: str, line: int | None = None) -> UserError:
    """The error that tells of a mistake at a path, or in a line of it."""
    place = "" if line is None else f" line {line}"
    return UserError(f"config key 'data.path': {path}{place} {text}")


def encode_labels(names: Sequence[str] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels from 0 in the order of the sorted names, and those names."""
    classes, labels = np.unique(names, return_inverse=True)
    return labels, tuple(map(str, classes))


def require_two_classes(path: Path, classes: Sequence[str]) -> None:
    """Refuse a single class.

    Raises:
        UserError: when there are not two or more.
    """
    if len(classes) < 2:
        raise path_error(path, f"has a single class, '{classes[0]}': there must be two or more")


def check_class_sizes(path: Path, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Refuse labels that cannot be divided into train, validation and test.

    Raises:
        UserError: when there is a single class, or a class with too few examples.
    """
    require_two_classes(path, classes)
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < MIN_PER_CLASS:
        rarest = int(counts.argmin())
        raise path_error(
            path,
            f"has {counts[rarest]} usable examples of class '{classes[rarest]}', it must have "
            f"{MIN_PER_CLASS} or more of each class to be split into train, validation and test",
        )


def splits_of_parts(path: Path, parts: dict[str, np.ndarray]) -> Splits:
    """Splits of train, validation and test rows; train and validation together are judged on test.

    Raises:
        UserError: when a part is empty.
    """
    for name, rows in parts.items():
        if not len(rows):
            raise path_error(
                path, f"has no usable examples for {name}: all of {', '.join(parts)} need some"
            )
    train, validation, test = (parts[name] for name in PARTS)
    return Splits(train, validation, (FoldSplit(np.union1d(train, validation), test),))
