"""``hpconv extract``: reference pipelines, user errors, and a winner on other images."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpconv.datasets import arrays, blocks
from hpconv.datasets.decoding import Decoding
from hpconv.errors import UserError
from hpconv.features.user_images import extract, from_assignment, from_trial, read_pictures
from tests.unit.objective.test_objective import CANDIDATE, MODEL

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = {c["case"]: c for c in json.loads((FIXTURES / "pipeline_vectors.json").read_text())}
VECTORS = np.load(FIXTURES / "pipeline_vectors.npz")
LIMITS = ["--output-sizes", "32,64", "--max-layer-sizes", "64,128", "--n-patches", "5000"]
LIMITS += ["--max-n-features", "2000", "--max-row-elements", "500000"]


def run(folder: Path, case: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "vals.json").write_text(json.dumps(case["vals"]))
    np.save(folder / "unsup.npy", VECTORS["unsup"])
    np.save(folder / "images.npy", VECTORS["test"])
    command = [sys.executable, "-m", "hpconv", "extract", "--assignment", "vals.json"]
    command += ["--unsupervised", "unsup.npy", "--images", "images.npy", "--output", "out.h5"]
    return subprocess.run([*command, *LIMITS], cwd=folder, capture_output=True, text=True)


def test_extract_command_reproduces_the_reference(tmp_path: Path) -> None:
    case = CASES[2]
    result = run(tmp_path, case)
    assert result.returncode == 0, result.stderr
    with h5py.File(tmp_path / "out.h5") as file:
        features = file["features"][()]
        assert json.loads(file.attrs["assignment"]) == case["vals"]
        assert file.attrs["version"]
        assert file.attrs["checksum"] == blocks.checksum(VECTORS["test"])
    assert features.dtype == "float32"
    assert list(features.shape) == case["shape"]
    expected = VECTORS["f2"]
    actual = features.reshape(len(features), -1)[:, :: case["stride"]]
    assert np.abs(actual - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("case", "kind"), [(5, "map_too_small"), (15, "no_filters")])
def test_a_candidate_that_cannot_be_built_exits_with_3(
    tmp_path: Path, case: int, kind: str
) -> None:
    result = run(tmp_path, CASES[case])
    assert result.returncode == 3
    assert kind in result.stderr
    assert not (tmp_path / "out.h5").exists()


@pytest.fixture
def experiment(digits: Path, tmp_path: Path) -> Path:
    """A finished experiment of one trial."""
    vals = {label: [value] for label, value in CANDIDATE.items()}
    trial = {"tid": 7, "misc": {"vals": vals, "model": vars(MODEL)}, "result": {"status": "ok"}}
    (tmp_path / "trials.jsonl").write_text(json.dumps(trial) + "\n")
    (tmp_path / "data.h5").write_bytes(digits.read_bytes())
    return tmp_path


@pytest.mark.parametrize("shape", [(5, 32, 32), (5, 3, 16, 16), (5, 40, 40, 3), (5, 1, 24, 24)])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_winner_accepts_gray_and_colour_images_of_any_size(
    experiment: Path, tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    np.save(tmp_path / "i.npy", pixels if dtype == "uint8" else pixels / 255)
    assignment, extractor = from_trial(7, experiment)
    mine = read_pictures(tmp_path / "i.npy", extractor.pipeline.image_shape, Decoding())
    extract(extractor, assignment, mine, tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].shape == (5, 800)
        assert np.isfinite(file["features"][()]).all()


def test_features_of_enlarged_images_correlate(digits: Path) -> None:
    with h5py.File(digits) as file:
        small = file["images"][:50]
    # smooth, as an enlarged photograph is
    large = arrays.with_channels(np.repeat(np.repeat(small, 4, axis=2), 4, axis=3), 1)
    extractor = from_assignment(CANDIDATE, small, MODEL)
    ours, theirs = extractor.transform(small), extractor.for_image_size(32).transform(large)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.8


def test_images_of_many_channels_are_transformed(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 13), "uint8")
    np.save(tmp_path / "bands.npy", images)
    bands = arrays.read_npy(tmp_path / "bands.npy")
    np.testing.assert_array_equal(bands, images.transpose(0, 3, 1, 2))
    extractor = from_assignment(CANDIDATE, bands, MODEL)
    assert np.isfinite(extractor.transform(bands)).all()
    with pytest.raises(UserError, match="have 13 channels, those of the search 3: write images"):
        arrays.with_channels(bands, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 20, 24), "uint8"), "must be square"),
        (np.zeros((2, 8, 8), "uint8"), "at least 16x16"),
        (np.zeros((2, 70, 80, 80), "uint8"), "1 to 64 channels"),
        (np.zeros((20, 20), "uint8"), "which must be (N, H, W)"),
        (np.zeros((2, 20, 20), "int64"), "must be uint8 or float"),
        (np.full((2, 20, 20), 7.0), "floats must be in [0, 1]"),
        (np.full((2, 20, 20), np.nan), "floats must be in [0, 1]"),
    ],
)
def test_invalid_arrays_are_rejected(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError) as refusal:
        arrays.read_npy(tmp_path / "x.npy")
    assert message in str(refusal.value)


def test_missing_trial_is_a_user_error(experiment: Path) -> None:
    with pytest.raises(UserError, match="--trial is 9, but .* has trials 0 to 7"):
        from_trial(9, experiment)
