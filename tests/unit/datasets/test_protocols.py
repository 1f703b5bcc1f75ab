"""Splits of every kind, and the protocols that use them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hpconv.datasets import splits
from hpconv.datasets.data_file import Splits, verify
from hpconv.datasets.data_writer import Content, ImageWriter, write_content
from hpconv.datasets.image_rows import ImageRows
from hpconv.datasets.protocols import Evaluation, Selection, Task, used_rows
from hpconv.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 1, 16, 16), "uint8")
PAIRS = RNG.permutation(40).reshape(20, 2)
PAIR_SPLITS = Splits(
    np.arange(6), np.arange(6, 10), ((np.arange(10, 15), np.arange(15, 20)),) * 2
)  # fmt: skip


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data file of 20 pairs of 40 images: 10 for model selection, two folds of the others."""
    path = tmp_path / "pairs.h5"
    with h5py.File(path, "w") as file:
        writer = ImageWriter(file)
        for start in range(0, 40, 15):
            writer.append(IMAGES[start : start + 15])
        content = Content(np.arange(20) % 2, ("different", "same"), pairs=PAIRS)
        write_content(file, "pairs", content, PAIR_SPLITS)
    return path


class Recorder:
    """A learning algorithm that records its tasks."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def fit(self, task: Task, validation: Task | None = None) -> None:
        self.tasks.append(task)

    def predict(self, task: Task) -> np.ndarray:
        self.tasks.append(task)
        return np.ones(len(task.labels), int)


def test_selection_reads_the_images_of_its_pairs_only(pairs: Path) -> None:
    selection = Selection(pairs)
    assert set(selection.rows) == set(PAIRS[:10].ravel())
    np.testing.assert_array_equal(selection.images[3:7], IMAGES[selection.rows[3:7]])
    recorder = Recorder()
    assert selection.loss(recorder) == 0.5
    assert (len(selection.train.rows), len(selection.validation.rows)) == (6, 4)
    np.testing.assert_array_equal(recorder.tasks[0].rows, PAIRS[:6])
    assert len(selection.unlabelled(5)) == 5
    assert set(used_rows(pairs)) == set(range(40))


def test_fold_fits_on_its_training_pairs_and_tests_on_the_others(pairs: Path) -> None:
    folds = Evaluation(pairs).folds
    assert [fold.number for fold in folds] == [0, 1]
    for fold in folds:
        recorder = Recorder()
        assert fold.fit_and_test(recorder).error == 0.4
        fitted, tested = recorder.tasks
        assert (fitted.name, tested.name) == (fold.train.name, fold.test.name)
        assert not set(fitted.rows.ravel()) & set(tested.rows.ravel())


def test_changed_pair_is_detected(pairs: Path) -> None:
    verify(pairs)
    with h5py.File(pairs, "a") as file:
        file["pairs"][3] = file["pairs"][3][::-1]
    with pytest.raises(UserError, match="damaged"):
        verify(pairs)


def test_image_rows_are_read_block_by_block(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpconv.datasets.image_rows.MEMORY_BYTES", 0)
    monkeypatch.setattr("hpconv.datasets.blocks.BLOCK_BYTES", 3 * 256)
    for rows in (np.arange(3, 30), np.array([0, 17, 18, 39])):
        lazy = ImageRows(pairs, rows)
        assert lazy.shape == (len(rows), 1, 16, 16)
        np.testing.assert_array_equal(lazy[:], IMAGES[rows])
        np.testing.assert_array_equal(lazy[1:3], IMAGES[rows[1:3]])
        np.testing.assert_array_equal(lazy[np.array([0, 2])], IMAGES[rows[[0, 2]]])


def test_official_splits_validate_on_the_last_training_images() -> None:
    official = splits.official(50_000, 10_000)
    np.testing.assert_array_equal(official.validation, np.arange(40_000, 50_000))
    ((fitted, tested),) = official.folds
    assert (fitted[0], fitted[-1], tested[0], tested[-1]) == (0, 49_999, 50_000, 59_999)


def test_repeated_random_folds_test_no_selection_image() -> None:
    labels = np.repeat(np.arange(5), 100)
    repeated = splits.repeated_random(labels, n_folds=10, test=0.1, seed=0)
    chosen_on = set(repeated.train) | set(repeated.validation)
    assert len(repeated.folds) == 10
    assert len({tuple(tested) for _, tested in repeated.folds}) == 10
    for fitted, tested in repeated.folds:
        assert not chosen_on & set(tested)
        assert sorted([*fitted, *tested]) == list(range(500))
        assert set(np.bincount(labels[tested])) == {10}


def test_subsample_keeps_the_share_of_each_class() -> None:
    labels = np.repeat(np.arange(2), [400, 200])
    whole = splits.stratified(labels, validation=0.25, test=0.25, seed=0)
    tenth = splits.subsample(whole, labels, 0.1, seed=0)
    assert [len(tenth.train), len(tenth.validation), len(tenth.folds[0][1])] == [30, 15, 15]
    assert list(np.bincount(labels[tenth.train])) == [20, 10]
    assert set(tenth.train) <= set(whole.train)


def test_redivided_selection_keeps_the_examples_and_shares_no_image_between_parts() -> None:
    labels = np.arange(40) % 2
    pairs = np.stack([np.arange(40), np.arange(40) // 2 * 2 + 100], axis=1)  # two share an image
    first, second = (splits.redivide(labels, pairs, n_validation=10, seed=seed) for seed in (1, 2))
    for train, validation in (first, second):
        assert sorted([*train, *validation]) == list(range(40))
        assert not set(pairs[train].ravel()) & set(pairs[validation].ravel())
        assert len(validation) == 10
    assert set(first[1]) != set(second[1])


def test_redivided_selection_reads_no_test_image(digits: Path) -> None:
    selection, (fold,) = Selection(digits), Evaluation(digits).folds
    other = selection.redivided(seed=1)
    assert len(other.validation.rows) == len(selection.validation.rows)
    assert set(other.validation.rows) != set(selection.validation.rows)
    examples = np.concatenate([other.train.rows, other.validation.rows])
    assert set(examples) == set(selection.rows)
    assert not set(examples) & set(fold.test.rows)
    shares = [np.bincount(each.validation.labels) for each in (selection, other)]
    np.testing.assert_allclose(*shares, atol=1)
    again = selection.redivided(seed=1)
    np.testing.assert_array_equal(other.validation.rows, again.validation.rows)


def test_shares_of_a_selection_are_nested_and_have_every_class(digits: Path) -> None:
    selection = Selection(digits)
    small, large = selection.share(0.001), selection.share(0.3)
    assert set(small.numbers) < set(large.numbers) < set(selection.numbers)
    assert selection.share(1.0).train.rows.tolist() == selection.train.rows.tolist()
    for part, whole in ((large.train, selection.train), (large.validation, selection.validation)):
        expected = np.ceil(0.3 * np.bincount(whole.labels))
        np.testing.assert_array_equal(np.bincount(part.labels), expected)
    assert list(np.bincount(small.validation.labels)) == [1] * 10
    again = Selection(digits).share(0.3)
    np.testing.assert_array_equal(again.train.rows, large.train.rows)
