"""A trial's pipeline as a feature extractor for any images."""

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpconv import __version__, experiments, trials
from hpconv.config import ModelSettings, model_of
from hpconv.datasets import arrays, new_images, origin, protocols
from hpconv.datasets.blocks import checksum
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.data_writer import ImageWriter
from hpconv.datasets.decoding import Decoding
from hpconv.errors import UserError
from hpconv.features import write_features
from hpconv.features.extractor import Extractor
from hpconv.features.learning import learn
from hpconv.files import replacing
from hpconv.model.pipeline import describe
from hpconv.trials import Assignment

ADVICE = "write one that succeeded: 'hpconv best' lists them"


def from_assignment(
    assignment: Assignment, unlabelled: np.ndarray, model: ModelSettings
) -> Extractor:
    """The pipeline of an assignment, with filters learned from unlabelled images.

    Raises:
        CandidateError: when the pipeline cannot be built.
    """
    pipeline = describe(assignment, unlabelled.shape[1:], model)
    return learn(pipeline, unlabelled[: model.n_unsupervised], model)


def from_trial(tid: int, folder: Path) -> tuple[Assignment, Extractor]:
    """The assignment and pipeline of a trial that succeeded, as in its search.

    Args:
        folder: of the experiment, ``results/<experiment>``.

    Raises:
        UserError: when the experiment has no such trial, the trial failed, or data.h5 has other
            images than it was made with.
    """
    history = trials.read_summaries(experiments.history(folder))
    found = {trial["tid"]: trial for trial in history}
    if not found:
        raise UserError(f"--trial is {tid}, but {folder} has no trials yet: wait for the search")
    if tid not in found:
        largest = max(found)
        raise UserError(f"--trial is {tid}, but {folder} has trials 0 to {largest}, {ADVICE}")
    if failed := trials.failure(found[tid]):
        cause = f"{failed['kind']}: {failed['reason']}"
        raise UserError(f"--trial is {tid}, which failed in {folder} ({cause}), {ADVICE}")
    data = folder / "data.h5"
    if not data.exists():
        raise UserError(
            f"{data} does not exist: the filters of trial {tid} are learned from its images"
        )
    origin.check_trial(found[tid], data)
    assignment = trials.hyperparameters(found[tid])
    model = model_of(found[tid], engine="auto")
    unlabelled = protocols.unlabelled(data, model.n_unsupervised)
    return assignment, from_assignment(assignment, unlabelled, model)


@dataclass(frozen=True)
class Pictures:
    """Images of the user.

    Attributes:
        images: ``(N, C, H, W)``, uint8 or float in [0, 1].
        files: of the images, relative to the folder; none for a .npy file.
        skipped: files that could not be decoded.
    """

    images: np.ndarray
    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def decoding(folder: Path) -> Decoding:
    """How the images of an experiment were read."""
    with DataFile(folder / "data.h5") as data:
        return data.decoding


def read_pictures(path: Path, image_shape: tuple[int, ...], decoding: Decoding) -> Pictures:
    """Read images as squares with the size and channels of the search's images.

    Args:
        path: any source of ``datasets.new_images``; images of a .npy file keep their size.
        image_shape: ``(C, H, W)`` of the images of the search.
        decoding: of the images of the search.

    Raises:
        UserError: when the path is no source, or no file can be decoded.
    """
    if path.suffix == ".npy":
        return Pictures(arrays.read_npy(path, decoding.value_range))
    source = new_images.find(path)
    with h5py.File("images", "w", driver="core", backing_store=False) as memory:
        written, skipped = source.read(image_shape, ImageWriter(memory), decoding)
        found = memory["images"][()]
    return Pictures(found, tuple(source.names[number] for number in written), skipped)


def extract(
    extractor: Extractor, assignment: Assignment, mine: Pictures, path: Path
) -> tuple[int, ...]:
    """Write ``features`` (N, ...), ``filters/I``, ``files`` and ``skipped`` of square images.

    Returns:
        the shape of the features.
    """
    channels = extractor.pipeline.image_shape[0]
    extractor = extractor.for_image_size(mine.images.shape[-1])
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        write_features(file, extractor, arrays.with_channels(mine.images, channels))
        for name in ("files", "skipped"):
            if listed := getattr(mine, name):
                file[name] = np.array(listed, h5py.string_dtype())
        file.attrs["assignment"] = json.dumps(assignment)
        file.attrs["version"] = __version__
        file.attrs["checksum"] = checksum(mine.images)
        return tuple(file["features"].shape)
