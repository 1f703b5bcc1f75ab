"""Data files, and the protocols that keep test images out of reach."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.protocols import Evaluation, Selection, Task, unlabelled
from hpconv.errors import UserError


def test_digits_are_complete(digits: Path) -> None:
    with h5py.File(digits) as file:
        assert file["images"].shape == (1797, 1, 8, 8)
        assert file["images"].dtype == "uint8"
        assert file["images"][()].max() == 255
        assert list(file["classes"].asstr()) == list("0123456789")


def test_parts_are_disjoint_complete_and_stratified(digits: Path) -> None:
    with h5py.File(digits) as file:
        parts = [file[name][()] for name in ("train", "validation", "folds/0/test")]
        fitted = file["folds/0/train"][()]
        labels = file["labels"][()]
    assert sorted(np.concatenate(parts)) == list(range(1797))
    assert sorted(fitted) == sorted(np.concatenate(parts[:2]))
    for rows in parts:
        counts = np.bincount(labels[rows])
        assert counts.max() - counts.min() <= 0.1 * counts.max()


def test_same_seed_writes_the_same_data(digits: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        settings = DataSettings("digits", seed=seed, validation=0.25, test=0.25)
        datasets.write(settings, tmp_path / f"{seed}.h5")
    first, second = (datasets.verify(tmp_path / f"{seed}.h5") for seed in (0, 1))
    assert datasets.verify(digits) == first != second


def test_changed_image_is_detected(digits: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(digits.read_bytes())
    with h5py.File(copy, "a") as file:
        file["images"][5, 0, 3, 3] ^= 1
    with pytest.raises(UserError, match="damaged"):
        datasets.verify(copy)


def damaged(digits: Path, path: Path, kind: str) -> Path:
    """A data file that was cut, has another layout, is something else, or is not there."""
    content = digits.read_bytes()
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "text":
        path.write_text("images")
    elif kind == "foreign":
        with h5py.File(path, "w") as file:
            file["images"] = np.zeros((1, 1, 8, 8), "uint8")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "is damaged or not an HDF5 file: delete it, the workflow will write it again"),
        ("text", "is damaged or not an HDF5 file: delete it, the workflow will write it again"),
        (
            "foreign",
            "is not a data file of hpconv, it has no 'checksum': "
            "delete it, the workflow will write it again",
        ),
        ("missing", "does not exist: run the workflow, which writes it"),
    ],
)
def test_unreadable_data_file_is_refused_in_one_line(
    digits: Path, tmp_path: Path, kind: str, message: str
) -> None:
    path = damaged(digits, tmp_path / "data.h5", kind)
    for read in (DataFile, Selection, Evaluation, datasets.verify):
        with pytest.raises(UserError) as refusal:
            read(path)
        assert str(refusal.value) == f"{path} {message}"


def test_damage_between_the_blocks_of_a_data_file_is_refused(digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_bytes(digits.read_bytes())
    with h5py.File(path) as file:
        chunk = file["images"].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    with pytest.raises(UserError, match="is damaged.*: delete it, the workflow will write it"):
        datasets.verify(path)


def test_data_file_reader_gives_what_the_file_holds(digits: Path) -> None:
    with DataFile(digits) as data, h5py.File(digits) as file:
        assert (data.name, data.checksum) == ("digits", file.attrs["checksum"])
        assert (data.image_shape, len(data.images)) == ((1, 8, 8), 1797)
        assert (data.pairs, data.has_pairs, data.left_out("copies")) == (None, False, ())
        assert data.classes == tuple("0123456789")
        np.testing.assert_array_equal(data.labels, file["labels"][()])
        named = data.splits.named()
        assert list(named) == ["train", "validation", "folds/0/train", "folds/0/test"]
        for name, examples in named.items():
            np.testing.assert_array_equal(examples, file[name][()])
            np.testing.assert_array_equal(data.image_rows(examples), examples)


class Memory:
    """A learning algorithm that records its rows."""

    def __init__(self) -> None:
        self.fitted: set[int] = set()
        self.predicted: set[int] = set()

    def fit(self, task: Task, validation: Task | None = None) -> None:
        self.fitted |= set(task.rows)

    def predict(self, task: Task) -> np.ndarray:
        self.predicted |= set(task.rows)
        return np.zeros(len(task.rows), int)


def test_selection_does_not_depend_on_test_images(digits: Path, tmp_path: Path) -> None:
    blanked = tmp_path / "blanked.h5"
    blanked.write_bytes(digits.read_bytes())
    with h5py.File(blanked, "a") as file:
        test = file["folds/0/test"][()]
        for row in test:
            file["images"][row] = 0
            file["labels"][row] = 0
    selection, without_test = Selection(digits), Selection(blanked)
    np.testing.assert_array_equal(selection.images[:], without_test.images[:])
    memory = Memory()
    selection.loss(memory)
    assert not (memory.fitted | memory.predicted) & set(test)
    np.testing.assert_array_equal(unlabelled(digits, 2000), unlabelled(blanked, 2000))


def test_evaluation_fits_on_all_other_images_and_tests_once(digits: Path) -> None:
    memory = Memory()
    (fold,) = Evaluation(digits).folds
    outcome = fold.fit_and_test(memory)
    assert len(memory.fitted) + len(memory.predicted) == 1797
    assert not memory.fitted & memory.predicted
    assert outcome.error == np.mean(outcome.labels != 0)
