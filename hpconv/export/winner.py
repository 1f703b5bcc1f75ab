"""Load a winner for export: its extractor and its fitted classifier."""

from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from hpconv import __version__, trials
from hpconv.config import model_of
from hpconv.datasets import origin, protocols
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.decoding import Decoding
from hpconv.errors import UserError
from hpconv.features.extractor import Extractor
from hpconv.features.user_images import from_assignment
from hpconv.learners import linear_scores
from hpconv.learners.linear_scores import Linear
from hpconv.model.layers import Layer, Shape
from hpconv.trials import Trial

N_CHECKED = 100
READ_REASON = "evaluation.json beside it has the reason, the workflow's command retries"


class About(TypedDict):
    """Description of a winner in the exported file."""

    version: str
    tid: int
    data: str  # checksum of the data file
    image_shape: list[int]
    feature_shape: list[int]
    labels: NotRequired[list[int]]  # class numbers of the scores
    classes: NotRequired[list[str]]  # names by class number


@dataclass(frozen=True)
class Winner:
    """A winner to export.

    Attributes:
        extractor: with its filters.
        linear: classifier; None for pairs of images.
        about: stored in every file as JSON.
        images: ``(n, C, H, W)`` for the comparison of outputs.
        decoding: of the images of the search.
    """

    extractor: Extractor
    linear: Linear | None
    about: About
    images: np.ndarray
    decoding: Decoding = Decoding()

    def layers(self) -> list[tuple[Layer, Shape]]:
        """All layers, first layer first, each with the shape of its input."""
        pipeline = self.extractor.pipeline
        layers, shapes = zip(*pipeline.shapes(), strict=True)
        return list(zip(layers, (pipeline.image_shape, *shapes[:-1]), strict=True))


def read(rank: int, experiment: Path) -> Winner:
    """Load a winner of a finished experiment.

    Args:
        experiment: folder, ``results/<experiment>``.

    Raises:
        UserError: when the experiment or the winner does not exist, and as ``load``.
    """
    found = ranks(experiment)
    if not found:
        raise UserError(
            f"--experiment {experiment} has no winners: run the workflow to its end first"
        )
    if rank not in found:
        listed = ", ".join(map(str, found))
        raise UserError(f"--winner is {rank}, but the winners of {experiment} are {listed}")
    return load(experiment / "winners" / str(rank))


def ranks(experiment: Path) -> list[int]:
    """The ranks of an experiment's winners."""
    return sorted(int(path.parent.name) for path in experiment.glob("winners/*/trial.json"))


def load(folder: Path) -> Winner:
    """Load the winner in a folder ``winners/<rank>`` of an experiment.

    Its filters are learned from the images of the experiment, as in the search; its classifier is
    that of the final evaluation's first fold.

    Raises:
        UserError: when one of its files does not exist, its evaluation failed, or data.h5 has other
            images than the winner was made with.
    """
    return with_classifier(
        trials.read_one(_existing(folder / "trial.json")),
        folder.resolve().parents[1] / "data.h5",
        folder / "classifier.npz",
    )


def with_classifier(trial: Trial, data: Path, classifier: Path) -> Winner:
    """A trial with its filters and a fitted classifier.

    Raises:
        UserError: as ``load``.
    """
    origin.check_trial(trial, _existing(data))
    model = model_of(trial, engine="auto")
    with DataFile(data) as file:
        linear = None if file.has_pairs else linear_scores.read(_existing(classifier))
        if linear is None and not file.has_pairs:
            raise UserError(f"{classifier} is empty, as the winner failed: {READ_REASON}")
        images, classes, decoding = file.checksum, list(file.classes), file.decoding
    unlabelled = protocols.unlabelled(data, model.n_unsupervised)
    extractor = from_assignment(trials.hyperparameters(trial), unlabelled, model)
    about: About = {
        "version": __version__,
        "tid": trial["tid"],
        "data": images,
        "image_shape": list(extractor.pipeline.image_shape),
        "feature_shape": list(extractor.feature_shape),
    }
    if linear:
        about["labels"], about["classes"] = linear.labels.tolist(), classes
    return Winner(extractor, linear, about, unlabelled[:N_CHECKED], decoding)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path} does not exist: run the workflow to its end first")
    return path
