"""``hpconv predict``: labels of new images by a winner, by winners together, by an ensemble."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from hpconv.cli import predict as command
from hpconv.datasets import new_images
from hpconv.datasets.blocks import BLOCK_BYTES
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.decoding import Decoding
from hpconv.datasets.protocols import Evaluation
from hpconv.errors import UserError
from hpconv.evaluation import retrain, summary
from hpconv.export import decision, winner
from hpconv.files import read_json, write_json
from tests.unit.cli.test_cli import called
from tests.unit.evaluation.test_retrain import CANDIDATE, MODEL, OTHER, trial

CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def experiment(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of two winners that grew an ensemble of them."""
    folder = tmp_path_factory.mktemp("experiment")
    data, cache = folder / "data.h5", folder / "cache"
    shutil.copy(digits, data)
    first, second = trial(0, CANDIDATE, own_error=0.03), trial(1, OTHER, own_error=0.04)
    second["result"]["ensemble_error"] = 0.01
    second["misc"]["boosting"] = {"continues": 0, "members": [0], "bagging_fraction": 0.5}
    for doc in (first, second):
        doc["misc"]["model"] = vars(MODEL)
    history = folder / "trials.jsonl"
    history.write_text("".join(json.dumps(doc) + "\n" for doc in (first, second)))
    evaluations = [
        evaluated(folder / f"winners/{n}", data, doc) for n, doc in ((1, first), (2, second))
    ]
    output = folder / "ensemble/evaluation.json"
    retrain.ensemble(
        *(history, data, MODEL),
        folder=folder / "ensemble",
        output=output,
        cache=cache,
        memory_mb=1024,
    )
    retrain.baseline(data, folder / "baseline.json")
    final = folder / "final_evaluation.json"
    summary.write_summary(
        data, folder / "baseline.json", evaluations, output=final, ensemble=output
    )
    return folder


def evaluated(folder: Path, data: Path, doc: dict[str, Any]) -> Path:
    """Evaluate a winner by the two steps of the workflow."""
    write_json(folder / "trial.json", doc)
    extracted, cache = folder / "features.h5", folder.parents[1] / "cache"
    (folder.parents[1] / "ensemble").mkdir(exist_ok=True)
    retrain.extract_features(folder / "trial.json", data, MODEL, output=extracted, cache=cache)
    retrain.retrain(
        *(folder / "trial.json", data, extracted, MODEL),
        output=folder / "evaluation.json",
        scores=folder / "scores.npz",
        fitted=folder / "classifier.npz",
        seeds=1,
        cache=cache,
        memory_mb=1024,
    )
    return folder / "evaluation.json"


def held_out(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Test images and their labels."""
    (fold,) = Evaluation(data).folds
    with DataFile(data) as file:
        return file.images[()][fold.test.rows], fold.test.labels


@pytest.mark.parametrize(
    ("read", "place"),
    [
        (lambda folder: decision.of_winner(1, folder), 0),
        (lambda folder: decision.of_winner(2, folder), 1),
        (decision.of_winners_together, 2),
        (decision.of_ensemble, 3),
    ],
    ids=["first", "second", "together", "ensemble"],
)
def test_labels_are_those_of_the_final_evaluation(read: Any, place: int, experiment: Path) -> None:
    images, labels = held_out(experiment / "data.h5")
    found = read(experiment)
    scores = np.concatenate([*found.scores(images)])
    error = np.mean(found.labels[scores.argmax(axis=1)] != labels)
    entry = read_json(experiment / "final_evaluation.json")["winners"][place]
    assert error == pytest.approx(entry["test_error"], abs=1.5 / len(labels))  # rounding of scores


@pytest.fixture(scope="module")
def pictures(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test images in a sub-folder for each class, a table of them, and an HDF5 file."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = held_out(experiment / "data.h5")
    rows = ["path,label"]
    for number, (image, label) in enumerate(zip(images[:40], labels, strict=False)):
        path = folder / f"new/{label}/{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).resize((32, 24)).save(path)
        rows.append(f"new/{label}/{number:02}.png,{label}")
    (folder / "new.csv").write_text("\n".join(rows))
    with h5py.File(folder / "new.h5", "w") as file:
        file["images"], file["labels"] = images[:40, 0], labels[:40]
    np.save(folder / "new.npy", np.repeat(np.repeat(images[:40], 2, 2), 2, 3))
    return folder


@pytest.mark.parametrize("name", ["new", "new.csv", "new.h5"])
def test_labelled_images_give_an_error_with_its_interval_and_confusions(
    name: str, experiment: Path, pictures: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    output = tmp_path / "labels.csv"
    status, out, _ = called(
        *(capsys, monkeypatch, "predict", "--experiment", str(experiment)),
        *("--images", str(pictures / name), "--output", str(output)),
    )
    assert status == 0
    assert f"{output}: labels of 40 images\nerror " in out
    assert "interval" in out
    assert "predicted class" in out
    with output.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "label", "margin", *(f"score of {name}" for name in CLASSES)]
    assert len(rows) == 40
    for _, label, margin, *scores in rows:
        best, second = sorted(map(float, scores), reverse=True)[:2]
        assert CLASSES[np.argmax([float(score) for score in scores])] == label
        assert float(margin) == pytest.approx(best - second, abs=1e-3)


def test_unlabelled_images_have_no_error(
    experiment: Path, pictures: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    one = next(iter(sorted((pictures / "new").rglob("*.png"))))
    for images in (one, pictures / "new.npy"):
        arguments = ("--experiment", str(experiment), "--images", str(images), "--output")
        status, out, _ = called(
            capsys, monkeypatch, "predict", *arguments, str(tmp_path / "labels.csv")
        )
        assert (status, out.count("\n")) == (0, 1), out


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--winner", "4"), ["--winner is 4", "are 1, 2"]),
        (("--together", "--ensemble"), ["only one of them"]),
        (("--labels", "few.csv"), ["--labels", "each image"]),
        (("--labels", "wrong.csv"), ["--labels", "columns path, label"]),
        (("--images", "wrong.csv"), ["--images", "columns path", "optionally label"]),
        (("--images", "empty"), ["--images", "without image files"]),
        (("--images", "text.png"), ["--images", "not an image"]),
    ],
)
def test_invalid_input_is_refused_in_one_message(
    options: tuple[str, ...], parts: list[str], experiment: Path, pictures: Path, capsys: Any,
    monkeypatch: Any, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("path,label\none.png,1\n")
    Path("wrong.csv").write_text("file,class\none.png,1\n")
    Path("text.png").write_text("no picture")
    Path("empty").mkdir()
    given = ("--experiment", str(experiment), "--images", str(pictures / "new"), *options)
    status, _, error = called(capsys, monkeypatch, "predict", *given, "--output", "labels.csv")
    assert status == 1
    assert all(part in error for part in parts), error


def test_experiment_without_ensemble_or_evaluation_is_refused(tmp_path: Path) -> None:
    for read in (decision.of_ensemble, decision.of_winners_together):
        with pytest.raises(UserError, match="has no evaluated"):
            read(tmp_path)


def test_failed_winner_has_no_classifier(experiment: Path, tmp_path: Path) -> None:
    shutil.copytree(experiment, tmp_path / "copy")
    folder, refused = tmp_path / "copy/winners/1", trial(3, CANDIDATE | {"l0eg_fsize": 99.0})
    refused["misc"]["model"] = vars(MODEL)
    evaluated(folder, tmp_path / "copy/data.h5", refused)
    with pytest.raises(UserError, match="classifier.npz is empty, as the winner failed"):
        winner.load(folder)


class Counter:
    """Counts images, and the bytes of the largest block."""

    images = largest = 0

    def append(self, block: np.ndarray) -> None:
        self.images += len(block)
        self.largest = max(self.largest, block.nbytes)


def test_images_are_read_in_small_blocks(tmp_path: Path) -> None:
    path, sink = tmp_path / "many.h5", Counter()
    with h5py.File(path, "w") as file:
        shape = (1500, 96, 96, 3)
        file.create_dataset("images", shape, "uint8", chunks=(100, 96, 96, 3), compression=1)
    new_images.find(path).read((3, 96, 96), sink, Decoding())
    assert sink.images == 1500
    assert sink.largest <= BLOCK_BYTES < 1500 * 96 * 96 * 3


def test_of_many_classes_the_most_frequent_confusions_are_listed(capsys: Any) -> None:
    confusion = (np.eye(20, dtype=int) * 5).tolist()
    confusion[3][4], confusion[7][1] = 2, 9
    names = [f"class{number}" for number in range(20)]
    command._show_most_frequent(confusion, names)
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.split() == ["9", "class7", "labelled", "as", "class1"]
    assert second.split() == ["2", "class3", "labelled", "as", "class4"]
