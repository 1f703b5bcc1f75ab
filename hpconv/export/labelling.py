"""Labels of new images in a table, and their errors where the true labels are known."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hpconv.datasets import csv_table
from hpconv.datasets.decoding import Decoding
from hpconv.datasets.new_images import NewImages
from hpconv.datasets.protocols import Outcome
from hpconv.datasets.user_data import KEY
from hpconv.errors import UserError
from hpconv.evaluation.records import TestStatistics
from hpconv.evaluation.statistics import summarise
from hpconv.export.decision import Decision
from hpconv.files import replacing

COLUMNS = ("file", "label", "margin")  # before a column of scores for each class


@dataclass(frozen=True)
class Labelled:
    """Labels of images.

    Attributes:
        names: of the images.
        scores: ``(n, K)`` float32.
        labels: class numbers ``(n,)`` with the highest score.
        skipped: files that could not be decoded.
    """

    names: list[str]
    scores: np.ndarray
    labels: np.ndarray
    skipped: tuple[str, ...]


@dataclass
class _Scorer:
    """Scores blocks of images as they are decoded, so that memory never holds all images."""

    decision: Decision
    advance: Callable[[int], object]
    decoding: Decoding = Decoding()  # of ImageSink
    scores: list[np.ndarray] = field(default_factory=list)

    def append(self, block: np.ndarray) -> None:
        """Score images ``(n, C, H, W)``."""
        for scores in self.decision.scores(block):
            self.scores.append(scores)
            self.advance(len(scores))


def label(source: NewImages, decision: Decision, advance: Callable[[int], object]) -> Labelled:
    """Label images.

    Args:
        advance: receives the number of images of each batch.

    Raises:
        UserError: when no image can be read.
    """
    scorer = _Scorer(decision, advance)
    written, skipped = source.read(decision.image_shape, scorer, decision.decoding)
    scores = np.concatenate(scorer.scores)
    names = [source.names[number] for number in written]
    return Labelled(names, scores, decision.labels[scores.argmax(axis=1)], skipped)


def write(path: Path, labelled: Labelled, decision: Decision) -> None:
    """Write a table: file, label, margin to the second best class, score of each class."""
    classes = [decision.classes[number] for number in decision.labels]
    second, best = np.sort(labelled.scores, axis=1)[:, -2:].T
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *(f"score of {name}" for name in classes)])
        for name, number, margin, scores in zip(
            labelled.names, labelled.labels, best - second, labelled.scores, strict=True
        ):
            values = (f"{value:.5g}" for value in (margin, *scores))
            table.writerow([name, decision.classes[number], *values])


def read_labels(path: Path) -> dict[str, str]:
    """Labels by the name of the image, from a CSV file with the columns path and label.

    Raises:
        UserError: when the file is not such a table.
    """
    try:
        rows = csv_table.read(path, ["path", "label"], ["split"])
    except UserError as refusal:
        raise UserError(f"--labels is '{path}': {str(refusal).removeprefix(KEY)}") from None
    return {row.values["path"]: row.values["label"] for row in rows}


def evaluate(
    labelled: Labelled, truth: dict[str, str], classes: Sequence[str]
) -> TestStatistics | None:
    """Error with its interval and confusions; None where an image has no label of these classes.

    Args:
        truth: class names by the names of images.
        classes: class names, by class number.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    known = [numbers.get(truth.get(name, "")) for name in labelled.names]
    if None in known:
        return None
    true = np.array(known, int)
    return summarise([[Outcome(true, labelled.labels, len(classes))]])
