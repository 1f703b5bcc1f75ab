"""Checks that the loaders of the user's own images share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from hpconv.config import DataSettings
from hpconv.datasets import splits
from hpconv.datasets.data_file import FoldSplit, Splits
from hpconv.errors import UserError

Item = TypeVar("Item")

KEY = "config key 'data.path': "  # before every message about it
PARTS = ("train", "validation", "test")
MIN_PER_CLASS = 4  # examples: two for training, one for validation, one for test


def required_path(settings: DataSettings, kind: str, is_kind: Callable[[Path], bool]) -> Path:
    """The value of ``data.path``.

    Args:
        kind: of file or folder that it must be, in words.
        is_kind: checks that it is.

    Raises:
        UserError: when the key is missing, or the path is not of that kind.
    """
    if settings.path is None:
        raise UserError(
            f"config key 'data.path' is missing: data.name {settings.name} needs {kind}"
        )
    if not is_kind(settings.path):
        problem = "is not" if settings.path.exists() else "does not exist, it must be"
        raise path_error(settings.path, f"{problem} {kind}")
    return settings.path


def path_error(path: Path, text: str, line: int | None = None) -> UserError:
    """A UserError about ``data.path``; text follows the path and line."""
    place = "" if line is None else f" line {line}"
    return UserError(f"{KEY}{path}{place} {text}")


def encode_labels(names: Sequence[str] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers ``(n,)`` for the examples' class names, and the sorted class names."""
    classes, labels = np.unique(names, return_inverse=True)
    return labels, tuple(map(str, classes))


def require_two_classes(path: Path, classes: Sequence[str]) -> None:
    """Check that there is more than one class.

    Raises:
        UserError: when there is a single class.
    """
    if len(classes) < 2:
        raise path_error(path, f"has a single class, '{classes[0]}': there must be two or more")


def check_class_sizes(path: Path, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Check that labels can be split into train, validation and test.

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


def fraction(settings: DataSettings, items: list[Item], strata: Sequence[str]) -> list[Item]:
    """``data.fraction`` of a list, in its order.

    Args:
        strata: of the items, which keep their shares.

    Raises:
        UserError: when one has too few items.
    """
    codes = encode_labels(strata)[0]
    return [items[n] for n in splits.share(codes, settings.fraction, settings.seed)]


def parts_by_name(names: np.ndarray, expected: Sequence[str] = PARTS) -> dict[str, np.ndarray]:
    """Example numbers of the expected parts; {} where no example belongs to one.

    Args:
        names: of the part of each example, or empty strings.
    """
    parts = {part: np.flatnonzero(names == part) for part in expected}
    return parts if any(map(len, parts.values())) else {}


def splits_of_parts(
    path: Path, labels: np.ndarray, classes: Sequence[str], parts: dict[str, np.ndarray]
) -> Splits | None:
    """Splits with one fold, whose training examples are those of train and validation.

    Args:
        parts: example numbers by name, of PARTS; without validation where that is to be drawn of
            train, {} where all splits are to be drawn.

    Returns:
        None without parts, once the labels are known to be sufficient for random splits.

    Raises:
        UserError: when there are too few classes or examples, or a part lacks a class.
    """
    if not parts:
        check_class_sizes(path, labels, classes)
        return None
    require_two_classes(path, classes)
    check_parts(path, labels, classes, parts)
    train, test = parts["train"], parts["test"]
    validation = parts.get("validation", np.empty(0, int))
    return Splits(train, validation, (FoldSplit(np.union1d(train, validation), test),))


def check_parts(
    path: Path, labels: np.ndarray, classes: Sequence[str], parts: dict[str, np.ndarray]
) -> None:
    """Check that each part has examples of each class.

    Args:
        parts: example numbers by name.

    Raises:
        UserError: when a part has none of a class.
    """
    for name, examples in parts.items():
        if not len(examples):
            raise path_error(
                path, f"has no usable examples for {name}: all of {', '.join(parts)} need some"
            )
    for name, examples in parts.items():
        absent = np.setdiff1d(np.arange(len(classes)), labels[examples])
        if len(absent):
            raise path_error(
                path,
                f"has no usable examples of class '{classes[absent[0]]}' in {name}: "
                f"each of {', '.join(parts)} must have all {len(classes)} classes",
            )
