"""The winners' sections of the report: pipeline, filters, feature maps, mistakes."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict  # pydantic needs it up to Python 3.11

from hpconv import trials
from hpconv.config import ModelSettings, model_of
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.evaluation.records import Evaluation, read_evaluation, read_final
from hpconv.files import read_json
from hpconv.model.pipeline import Pipeline, describe
from hpconv.report import confusion, diagram, images, learned_filters, misclassified


class WinnerSection(TypedDict):
    """A winner as ``winner.html`` shows it."""

    rank: int
    tid: int
    validation_error: float
    test_error: float
    interval: list[float]  # 95 % confidence interval of the test error
    seed_deviation: float | None
    features: int  # of an image
    seconds: float  # for features and retraining
    measurements: int  # number of folds times number of seeds
    examples: str  # "images" or "pairs of images"
    steps: list[diagram.Step]
    confusion: confusion.Table
    mistakes: misclassified.Mistakes
    filters: list[learned_filters.Mosaic] | None  # None if the feature cache has lost them
    maps: learned_filters.FeatureMaps | None


def collect(folder: Path) -> list[WinnerSection]:
    """The winners in an experiment's final evaluation, by rank.

    Those without an evaluation of their current trial are left out.

    Args:
        folder: of the experiment, ``results/<experiment>``.
    """
    final = read_final(folder)
    ranks = [entry["rank"] for entry in final["winners"]] if final else []
    folders = [folder / "winners" / str(rank) for rank in ranks if isinstance(rank, int)]
    bands = shown_bands(folder) if folders else images.BANDS
    evaluated = [(each, read_evaluation(each / "evaluation.json")) for each in folders]
    return [
        _winner(each, evaluation, folder / "data.h5", bands)
        for each, evaluation in evaluated
        if evaluation is not None and "test_error" in evaluation
    ]


class _ReportKeys(TypedDict):
    bands: list[int]


class _Configuration(TypedDict):
    """What is read of ``config.json``, also of one that another version has written."""

    report: NotRequired[_ReportKeys]


def shown_bands(folder: Path) -> Sequence[int]:
    """Channels of images that are shown as red, green and blue.

    Args:
        folder: of the experiment.

    Raises:
        UserError: when images do not have them.
    """
    config = folder / "config.json"
    written: _Configuration = read_json(config, _Configuration) if config.exists() else {}
    bands = written["report"]["bands"] if "report" in written else images.BANDS
    with DataFile(folder / "data.h5") as data:
        channels = data.image_shape[0]
    if channels > len(bands) and max(bands) >= channels:
        raise UserError(
            f"config key 'report.bands' is {list(bands)}, but images have {channels} channels: "
            f"write numbers from 0 to {channels - 1}"
        )
    return bands


def _winner(
    folder: Path, evaluation: Evaluation, data: Path, bands: Sequence[int]
) -> WinnerSection:
    trial = trials.read_one(folder / "trial.json")
    with DataFile(data) as file:
        classes, image_shape, pairs = list(file.classes), file.image_shape, file.has_pairs
    model = model_of(trial)
    pipeline = describe(trials.hyperparameters(trial), image_shape, model)
    filters, maps = _learned(folder / "features.h5", pipeline, data, model, bands)
    return {
        "tid": evaluation["tid"],
        "validation_error": evaluation["validation_error"],
        "test_error": evaluation["test_error"],
        "interval": evaluation["interval"],
        "seed_deviation": evaluation["seed_deviation"],
        "rank": int(folder.name),
        "features": prod(evaluation["feature_shape"]),
        "seconds": sum(evaluation["seconds"].values()),
        "measurements": len(evaluation["test_errors"]),
        "examples": "pairs of images" if pairs else "images",
        "steps": diagram.steps(pipeline, len(classes), trial["result"].get("chosen")),
        "confusion": confusion.table(evaluation["confusion"], classes),
        "mistakes": misclassified.worst(folder / "scores.npz", data, bands),
        "filters": filters,
        "maps": maps,
    }


def _learned(
    extracted: Path, pipeline: Pipeline, data: Path, model: ModelSettings, bands: Sequence[int]
) -> tuple[list[learned_filters.Mosaic], learned_filters.FeatureMaps] | tuple[None, None]:
    """Pictures of filters and feature maps; None if the feature cache has lost the filters."""
    try:
        banks = learned_filters.learned(extracted)
    except (OSError, UserError):
        return None, None
    maps = learned_filters.maps(pipeline, banks, data, model, bands)
    return learned_filters.filters(banks), maps
