"""Equal images in the user's own data sets: each is used once, in one part and one class."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpconv.datasets import user_data
from hpconv.datasets.data_writer import Content

MAX_LISTED = 20  # images in a message

log = logging.getLogger(__name__)


def used_once(
    content: Content, digests: Sequence[bytes], path: Path | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Examples without copies of other examples, and a line for each copy.

    All examples, unless they are single images of the user's own, which have names and a path.

    Of equal images in several parts, that of test is used, else that of validation.

    Args:
        digests: of the images.
        path: of the data set, for messages.

    Returns:
        the example numbers to use, rising, and ``name: a copy of name`` for each other example.

    Raises:
        UserError: when equal images have different classes, or too few of a class remain.
    """
    if not content.names or content.pairs is not None or path is None:
        return np.arange(len(content.labels)), ()
    examples = _test_first(content)
    originals = examples[firsts([digests[example] for example in examples])]
    pairs = zip(examples.tolist(), originals.tolist(), strict=True)
    copies = sorted((example, original) for example, original in pairs if example != original)
    _check_classes(content, copies, path)
    used = np.unique(originals)
    if not copies:
        return used, ()
    lines = tuple(f"{content.names[a]}: a copy of {content.names[b]}" for a, b in copies)
    log.warning(f"{len(lines)} images are copies of others and are not used:\n{_listed(lines)}")
    _check_sizes(content, used, path)
    return used, lines


def firsts(digests: Sequence[bytes]) -> np.ndarray:
    """For each image ``(N,)``, the place of the first image with the same digest."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(each, place) for place, each in enumerate(digests)], int)


def _test_first(content: Content) -> np.ndarray:
    """All example numbers, those of test first and those of train last."""
    if content.splits is None:
        return np.arange(len(content.labels))
    tested = [fold.test for fold in content.splits.folds]
    return np.concatenate([*tested, content.splits.validation, content.splits.train])


def _check_classes(content: Content, copies: Sequence[tuple[int, int]], path: Path) -> None:
    def named(example: int) -> str:
        return f"{content.names[example]} in class '{content.classes[content.labels[example]]}'"

    labels = content.labels
    wrong = [f"{named(a)}, {named(b)}" for a, b in copies if labels[a] != labels[b]]
    if wrong:
        raise user_data.path_error(
            path,
            f"has equal images in different classes:\n{_listed(wrong)}\n"
            "delete those whose class is wrong, or both",
        )


def _check_sizes(content: Content, used: np.ndarray, path: Path) -> None:
    if content.splits is None:
        user_data.check_class_sizes(path, content.labels[used], content.classes)
    else:
        rest = content.splits.among(used)
        parts = {"train": rest.train, "validation": rest.validation, "test": rest.folds[0].test}
        given = {name: part for name, part in parts.items() if len(part) or name != "validation"}
        user_data.check_parts(path, content.labels, content.classes, given)


def _listed(lines: Sequence[str]) -> str:
    more = f"\n  and {len(lines) - MAX_LISTED} more" if len(lines) > MAX_LISTED else ""
    return "\n".join(f"  {line}" for line in lines[:MAX_LISTED]) + more
