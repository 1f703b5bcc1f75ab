"""The final evaluation: of one trial, of an ensemble, of pixels; on one fold and on several."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpconv import evaluate, features
from hpconv.datasets import splits
from hpconv.datasets.layout import Content, ImageWriter, Splits, write_content
from hpconv.files import read_json, write_json
from tests.unit.test_objective import CANDIDATE, MODEL

OTHER = CANDIDATE | {"l0eg_fsize": 3.0, "l0eg_wp_rseed": 3}


def trial(tid: int, assignment: dict[str, Any], **result: Any) -> dict[str, Any]:
    vals = {label: [value] for label, value in assignment.items()}
    result = {"status": "ok", "loss": 0.03} | result
    return {"tid": tid, "state": 2, "misc": {"tid": tid, "vals": vals}, "result": result}


def rewritten(digits: Path, path: Path, content: Content, chosen: Splits) -> Path:
    """The digits with other examples or splits."""
    with h5py.File(digits) as source, h5py.File(path, "w") as file:
        ImageWriter(file).append(source["images"][()])
        write_content(file, "digits", content, chosen)
    return path


@pytest.fixture(scope="module")
def labels(digits: Path) -> np.ndarray:
    with h5py.File(digits) as file:
        return file["labels"][()]


def evaluated(data: Path, folder: Path, doc: dict[str, Any]) -> dict[str, Any]:
    write_json(folder / "trial.json", doc)
    features.extract(doc, data, MODEL, folder / "features.h5")
    evaluate.retrain(
        folder / "trial.json", data, folder / "features.h5", MODEL, folder / "evaluation.json"
    )
    return read_json(folder / "evaluation.json")


def test_a_winner_is_judged_on_every_fold(digits: Path, labels: np.ndarray, tmp_path: Path) -> None:
    repeated = splits.repeated(labels, n_folds=3, test=0.1, seed=0)
    content = Content(labels, tuple("0123456789"))
    data = rewritten(digits, tmp_path / "folds.h5", content, repeated)
    record = evaluated(data, tmp_path, trial(0, CANDIDATE))
    assert len(record["test_errors"]) == 3
    assert record["test_error"] == pytest.approx(np.mean(record["test_errors"]))
    assert record["test_error"] < 0.04
    assert record["standard_error"] == pytest.approx(np.std(record["test_errors"], ddof=1) / 3**0.5)
    confusion = np.array(record["confusion"])
    assert confusion.sum() == sum(len(tested) for _, tested in repeated.folds)
    wrong = [
        e * len(tested)
        for e, (_, tested) in zip(record["test_errors"], repeated.folds, strict=True)
    ]
    assert confusion.sum() - np.trace(confusion) == pytest.approx(sum(wrong))


def test_an_ensemble_is_fitted_member_by_member(digits: Path, tmp_path: Path) -> None:
    first = trial(0, CANDIDATE, alone=0.03)
    second = trial(1, OTHER, alone=0.04, together=0.01)
    second["misc"]["boosting"] = {"continues": 0, "members": [0]}
    worse = trial(2, OTHER, alone=0.05, together=0.05)
    history = tmp_path / "trials.jsonl"
    history.write_text("".join(json.dumps(doc) + "\n" for doc in (first, second, worse)))
    output = tmp_path / "ensemble.json"
    evaluate.ensemble(history, digits, MODEL, tmp_path / "members", output)
    record = read_json(output)
    assert record["members"] == [0, 1]
    assert record["validation_error"] == 0.01
    alone = evaluated(digits, tmp_path, first)
    assert record["test_error"] <= alone["test_error"]
    assert record["confusion"] != alone["confusion"]


def test_features_of_a_fraction_are_of_its_images_only(
    digits: Path, labels: np.ndarray, tmp_path: Path
) -> None:
    few = splits.reduced(splits.drawn(labels, 0.25, 0.25, seed=0), labels, 0.2, seed=0)
    data = rewritten(digits, tmp_path / "few.h5", Content(labels, tuple("0123456789")), few)
    record = evaluated(data, tmp_path, trial(0, CANDIDATE))
    with h5py.File(tmp_path / "features.h5") as file:
        assert 300 < len(file["features"]) == len(file["rows"]) < 400
    assert np.sum(record["confusion"]) == len(few.folds[0][1])


def test_pairs_are_judged_too(digits: Path, labels: np.ndarray, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).permutation(1797)
    left, right = rows[:600], rows[600:1200]
    for label in range(10):  # half of the pairs show the same digit
        ours = np.flatnonzero(labels[left[:300]] == label)
        same = rows[1200:][labels[rows[1200:]] == label]
        right[ours] = same[np.arange(len(ours)) % len(same)]
    pairs = np.stack([left, right], axis=1)
    same = (labels[left] == labels[right]).astype(int)
    parts = splits.drawn(same, 0.25, 0.25, seed=0)
    content = Content(same, ("different", "same"), pairs=pairs)
    data = rewritten(digits, tmp_path / "pairs.h5", content, parts)
    evaluate.baseline(data, tmp_path / "baseline.json")
    assert read_json(tmp_path / "baseline.json")["test_error"] < 0.4
    chosen = {"c": 1.0, "weights": {"mult": 1.0, "absdiff": 1.0, "sqrtabsdiff": 1.0, "sqdiff": 1.0}}
    record = evaluated(data, tmp_path, trial(0, CANDIDATE, chosen=chosen))
    assert record["test_error"] < 0.35
    assert np.array(record["confusion"]).shape == (2, 2)
