"""Test examples that a winner misclassifies by the largest margins, as images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from hpconv.datasets.arrays import read_arrays
from hpconv.datasets.data_file import DataFile
from hpconv.report import images

N_SHOWN = 12
N_PARTS = 3  # of a file's path, such as train/cat/1.png; the rest may be private


class Mistake(TypedDict):
    """A misclassified test example."""

    pictures: list[images.Picture]  # one, or two for a pair of images
    files: list[str]  # of the pictures, where they are known
    true: str
    predicted: str
    margin: float  # score of the true class minus the best score, negative


class Mistakes(TypedDict):
    """Misclassified test examples of all folds."""

    count: int
    examples: int  # number of test examples
    shown: list[Mistake]  # those of the most negative margins


def worst(scores: Path, data: Path, bands: Sequence[int] = images.BANDS) -> Mistakes:
    """The mistakes with the most negative margins.

    Args:
        scores: decision scores of each fold's test examples, as ``evaluation.retrain`` writes.
        bands: as ``images.thumbnail``.
    """
    decisions = read_arrays(scores)
    with DataFile(data) as file:
        folds = [_fold(decisions, file, number) for number in range(len(file.splits.folds))]
        examples, predicted, margins = (np.concatenate(each) for each in zip(*folds, strict=True))
        wrong = np.flatnonzero(predicted != file.labels[examples])
        order = wrong[np.argsort(margins[wrong], kind="stable")][:N_SHOWN]
        shown = [_shown(file, examples[i], predicted[i], margins[i], bands) for i in order]
    return {"count": len(wrong), "examples": len(examples), "shown": shown}


def _fold(
    decisions: dict[str, np.ndarray], file: DataFile, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test examples of a fold, their predicted classes and their margins, each ``(n,)``."""
    decision, classes = decisions[f"decision/{number}"], decisions[f"classes/{number}"]
    examples = file.splits.folds[number].test
    labels = file.labels[examples]
    own = classes == labels[:, None]
    # a class without training examples in the fold has no score: it gets the lowest
    truth = np.where(own, decision, decision.min(axis=1, keepdims=True)).max(axis=1)
    others = np.where(own, -np.inf, decision).max(axis=1)
    return examples, classes[decision.argmax(axis=1)], truth - others


def _shown(
    file: DataFile, example: int, predicted: int, margin: float, bands: Sequence[int]
) -> Mistake:
    true, wrong = file.classes[file.labels[example]], file.classes[predicted]
    rows = np.atleast_1d(file.image_rows(example))
    alt = f"{true}, classified as {wrong}"
    names = filter(None, (file.name_of(row) for row in rows))
    return {
        "pictures": [images.thumbnail(file.images[row], alt, bands) for row in rows],
        "files": ["/".join(Path(name).parts[-N_PARTS:]) for name in names],
        "true": true,
        "predicted": wrong,
        "margin": float(margin),
    }
