"""A trial's pipeline as a feature extractor for anybody's images."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpconv import __version__, images, protocols, trials
from hpconv.candidate import ModelSettings, describe
from hpconv.datasets.layout import checksum
from hpconv.errors import UserError
from hpconv.features import write_features
from hpconv.files import replacing
from hpconv.pipeline import Extractor, learn


def from_assignment(
    assignment: dict[str, Any], unlabelled: np.ndarray, model: ModelSettings
) -> Extractor:
    """The pipeline of an assignment, with filters learned from unlabelled images.

    Raises:
        CandidateError: when the pipeline cannot be built.
    """
    pipeline = describe(assignment, unlabelled.shape[1:], model)
    return learn(pipeline, unlabelled[: model.n_unsupervised], model)


def only_experiment(results: Path) -> Path:
    """The folder of the one finished experiment under a folder.

    Raises:
        UserError: when there is none, or more than one.
    """
    found = [history.parent for history in sorted(results.glob("*/trials.jsonl"))]
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        raise UserError(f"give --experiment: finished experiments under {results}/ are {names}")
    return found[0]


def from_trial(tid: int, folder: Path) -> tuple[dict[str, Any], Extractor]:
    """The assignment and pipeline of a finished trial, as its search had them.

    Args:
        folder: of the experiment, ``results/<experiment>``.

    Raises:
        UserError: when the experiment has no such trial.
    """
    history = folder / "trials.jsonl"
    if not history.exists():
        raise UserError(f"{history} does not exist: {folder} is no finished experiment")
    found = {trial["tid"]: trial for trial in trials.read(history)}
    if tid not in found:
        raise UserError(f"experiment {folder} has no trial {tid}, but 0 to {max(found)}")
    assignment = trials.hyperparameters(found[tid])
    model = ModelSettings(**found[tid]["misc"]["model"] | {"engine": "auto"})
    unlabelled = protocols.unlabelled(folder / "data.h5", model.n_unsupervised)
    return assignment, from_assignment(assignment, unlabelled, model)


def extract(
    extractor: Extractor, assignment: dict[str, Any], pictures: np.ndarray, path: Path
) -> None:
    """Write features of images ``(N, C, H, W)`` of any square size, as ``features`` (N, ...)."""
    channels = extractor.pipeline.image_shape[0]
    extractor = extractor.for_image_size(pictures.shape[-1])
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        write_features(file, extractor, images.with_channels(pictures, channels))
        file.attrs["assignment"] = json.dumps(assignment)
        file.attrs["version"] = __version__
        file.attrs["checksum"] = checksum(pictures)
