"""What the report shows of each winner: how it works, what it has learned, where it errs."""

from math import prod
from pathlib import Path
from typing import Any

from hpconv import trials
from hpconv.config import ModelSettings
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.evaluation.records import Evaluation, read_evaluation, read_final
from hpconv.files import read_json
from hpconv.model.pipeline import Pipeline, describe
from hpconv.report import confusion, diagram, learned_filters, misclassified


def collect(folder: Path) -> list[dict[str, Any]]:
    """The winners of an experiment's final evaluation, by rank, as ``winner.html`` shows them.

    Those that are missing, or have become others since, are left out.

    Args:
        folder: of the experiment, ``results/<experiment>``.
    """
    final = read_final(folder)
    ranks = [entry["rank"] for entry in final["winners"]] if final else []
    folders = [folder / "winners" / str(rank) for rank in ranks if isinstance(rank, int)]
    evaluated = [(each, read_evaluation(each / "evaluation.json")) for each in folders]
    return [
        _winner(each, evaluation, folder / "data.h5")
        for each, evaluation in evaluated
        if evaluation is not None and "test_error" in evaluation
    ]


def _winner(folder: Path, evaluation: Evaluation, data: Path) -> dict[str, Any]:
    trial = read_json(folder / "trial.json")
    with DataFile(data) as file:
        classes, image_shape, pairs = list(file.classes), file.image_shape, file.has_pairs
    model = ModelSettings(**trial["misc"]["model"])
    pipeline = describe(trials.hyperparameters(trial), image_shape, model)
    chosen = trial["result"].get("chosen")
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
        "steps": diagram.steps(pipeline, len(classes), chosen),
        "confusion": confusion.table(evaluation["confusion"], classes),
        "mistakes": misclassified.worst(folder / "scores.npz", data),
        **_learned(folder / "features.h5", pipeline, data, model),
    }


def _learned(
    extracted: Path, pipeline: Pipeline, data: Path, model: ModelSettings
) -> dict[str, Any]:
    """Pictures of filters and maps; none where the features' cache has lost the filters."""
    try:
        banks = learned_filters.learned(extracted)
    except (OSError, UserError):
        return {"filters": None, "maps": None}
    return {
        "filters": learned_filters.filters(banks),
        "maps": learned_filters.maps(pipeline, banks, data, model),
    }
