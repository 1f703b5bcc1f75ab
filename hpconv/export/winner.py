"""Load a winner for export: its extractor and its fitted classifier."""

from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from hpconv import __version__, features, trials
from hpconv.config import model_of
from hpconv.datasets import origin, protocols
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.features.extractor import Extractor
from hpconv.features.user_images import from_assignment
from hpconv.learners.feature_matrix import FeatureRows
from hpconv.learners.linear import LinearSVM
from hpconv.learners.scaling import Scaler
from hpconv.model.layers import Layer, Shape
from hpconv.model.pipeline import ClassifierSettings

N_CHECKED = 100


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
class Linear:
    """``scores = (x - mean) / scale @ weights + bias``; the label of the highest score wins.

    Attributes:
        mean, scale: ``(D,)`` float32.
        weights: ``(D, K)`` float32.
        bias: ``(K,)`` float32.
        labels: ``(K,)`` int64, the class numbers of the scores.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Winner:
    """A winner to export.

    Attributes:
        extractor: with its filters.
        linear: classifier; None for pairs of images.
        about: stored in every file as JSON.
        images: ``(n, C, H, W)`` for the comparison of outputs.
    """

    extractor: Extractor
    linear: Linear | None
    about: About
    images: np.ndarray

    def layers(self) -> list[tuple[Layer, Shape]]:
        """All layers, first layer first, each with the shape of its input."""
        pipeline = self.extractor.pipeline
        layers, shapes = zip(*pipeline.shapes(), strict=True)
        return list(zip(layers, (pipeline.image_shape, *shapes[:-1]), strict=True))


def read(rank: int, experiment: Path) -> Winner:
    """Load a winner of a finished experiment; its classifier is fitted on the first fold.

    Args:
        experiment: folder, ``results/<experiment>``.

    Raises:
        UserError: when the experiment, the winner, or one of its files does not exist, or data.h5
            has other images than the winner was made with.
    """
    folder, data = _folder(rank, experiment), _existing(experiment / "data.h5")
    trial = trials.read_one(folder / "trial.json")
    origin.check_trial(trial, data)
    model = model_of(trial, engine="auto")
    unlabelled = protocols.unlabelled(data, model.n_unsupervised)
    extractor = from_assignment(trials.hyperparameters(trial), unlabelled, model)
    with DataFile(data) as file:
        linear = _fit(folder / "features.h5", file, extractor.pipeline.classifier)
        images, classes = file.checksum, list(file.classes)
    about: About = {
        "version": __version__,
        "tid": trial["tid"],
        "data": images,
        "image_shape": list(extractor.pipeline.image_shape),
        "feature_shape": list(extractor.feature_shape),
    }
    if linear:
        about["labels"], about["classes"] = linear.labels.tolist(), classes
    return Winner(extractor, linear, about, protocols.unlabelled(data, N_CHECKED))


def _folder(rank: int, experiment: Path) -> Path:
    found = sorted(int(path.parent.name) for path in experiment.glob("winners/*/trial.json"))
    if not found:
        raise UserError(
            f"--experiment {experiment} has no winners: run the workflow to its end first"
        )
    if rank not in found:
        ranks = ", ".join(map(str, found))
        raise UserError(f"--winner is {rank}, but the winners of {experiment} are {ranks}")
    return experiment / "winners" / str(rank)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path} does not exist: run the workflow to its end first")
    return path


def _fit(extracted: Path, data: DataFile, settings: ClassifierSettings) -> Linear | None:
    """The classifier of the first fold; None for pairs, whose SVM needs all training examples."""
    if data.has_pairs:
        return None
    examples = data.splits.folds[0].train
    with features.opened(_existing(extracted)) as file:
        numbers = np.searchsorted(file["rows"][()], examples)
        scaler = Scaler.fit(FeatureRows(file["features"], numbers), settings)
        scaled = FeatureRows(file["features"], numbers, scaler.in_place)
        svm = LinearSVM(settings.l2_reg).fit(scaled, data.labels[examples])
    mean, scale, weights, bias = (
        array.astype("float32", order="C")
        for array in (scaler.mean, scaler.scale, svm.weights, svm.bias)
    )
    return Linear(mean, scale, weights, bias, svm.classes.astype("int64"))
