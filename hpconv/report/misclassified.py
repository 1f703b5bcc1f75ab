"""The test examples on which a winner is most wrong, as images."""

from pathlib import Path
from typing import Any

import numpy as np

from hpconv.datasets.data_file import DataFile
from hpconv.report import images

N_SHOWN = 12


def worst(scores: Path, data: Path) -> dict[str, Any]:
    """The mistakes with the least margins: how far the true class's decision is under the best.

    Args:
        scores: decisions on the test examples of each fold (see ``evaluate.retrain``).

    Returns:
        ``count`` of mistakes and ``examples`` of all folds, and ``shown``, the worst ones with
        their ``pictures``, ``true`` and ``predicted`` class and ``margin``.
    """
    with np.load(scores) as decisions, DataFile(data) as file:
        folds = [_fold(decisions, file, number) for number in range(len(file.splits.folds))]
        examples, predicted, margins = (np.concatenate(each) for each in zip(*folds, strict=True))
        wrong = np.flatnonzero(predicted != file.labels[examples])
        order = wrong[np.argsort(margins[wrong], kind="stable")][:N_SHOWN]
        shown = [_shown(file, examples[i], predicted[i], margins[i]) for i in order]
    return {"count": len(wrong), "examples": len(examples), "shown": shown}


def _fold(decisions: Any, file: DataFile, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test examples of a fold, the classes that were predicted, and the margins, each ``(n,)``."""
    decision, classes = decisions[f"decision/{number}"], decisions[f"classes/{number}"]
    examples = file.splits.folds[number].test
    labels = file.labels[examples]
    own = classes == labels[:, None]
    # a class that the fold's training examples lack has no decision: it cannot do better than last
    truth = np.where(own, decision, decision.min(axis=1, keepdims=True)).max(axis=1)
    others = np.where(own, -np.inf, decision).max(axis=1)
    return examples, classes[decision.argmax(axis=1)], truth - others


def _shown(file: DataFile, example: int, predicted: int, margin: float) -> dict[str, Any]:
    true, taken_for = file.classes[file.labels[example]], file.classes[predicted]
    rows = np.atleast_1d(file.image_rows(example))
    alt = f"{true}, taken for {taken_for}"
    return {
        "pictures": [images.thumbnail(file.images[row], alt) for row in rows],
        "true": true,
        "predicted": taken_for,
        "margin": float(margin),
    }
