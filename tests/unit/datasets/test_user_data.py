"""The user's own images: folders, CSV files, pairs and HDF5 files, and their error messages."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.datasets import splits
from hpconv.datasets.data_file import DataFile
from hpconv.datasets.decoding import Decoding
from hpconv.datasets.protocols import Selection
from hpconv.errors import UserError

RNG = np.random.default_rng(0)
NUMBERS = count()
LEVELS = {"cat": 40, "dog": 120, "owl": 200}  # the gray of all images of a class


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (16, 16), level)
    image.putpixel((15, 15), next(NUMBERS) % 256)  # all are different
    image.save(path)


def written(tmp_path: Path, name: str, path: Path | None, **settings: Any) -> h5py.File:
    """The data file that the workflow's first rule writes for the images at path."""
    output = tmp_path / "data.h5"
    datasets.write(DataSettings(name, path=path, **settings), output)
    datasets.verify(output)
    return h5py.File(output)


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """A folder with eight images of each class."""
    for name, level in LEVELS.items():
        for number in range(8):
            picture(tmp_path / f"animals/{name}/{number % 2}/{number}.png", level)
    return tmp_path / "animals"


def assert_labels_belong(file: h5py.File) -> None:
    levels = [LEVELS[file["classes"].asstr()[label]] for label in file["labels"]]
    np.testing.assert_array_equal(file["images"][:, 0, 0, 0], levels)


def test_folder_gives_a_class_for_each_sub_folder(animals: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "folder", animals)
    assert list(file["classes"].asstr()) == ["cat", "dog", "owl"]
    np.testing.assert_array_equal(np.bincount(file["labels"]), [8, 8, 8])
    assert_labels_belong(file)
    parts = [file[name][()] for name in ("train", "validation", "folds/0/test")]
    assert [len(rows) for rows in parts] == [12, 6, 6]
    assert sorted(np.concatenate(parts)) == list(range(24))


def test_folder_counts_ignored_files_and_folders(
    animals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("README", "cat/notes.txt", ".hidden.png", "cat/.thumbs/1.png", "dog/.2.png"):
        (animals / name).parent.mkdir(exist_ok=True)
        (animals / name).write_text("no image")
    picture(animals / ".cache/1.png", 0)
    picture(animals / "owl/@eaDir/1.png/thumbnail.png", 0)
    for number in range(2):
        (animals / f"owl/{number}.HEIC").write_bytes(b"photo")
    (animals / "dog/broken.png").symlink_to(tmp_path / "nowhere.png")
    (animals / "dog/linked").symlink_to(animals / "owl")
    picture(tmp_path / "elsewhere.png", LEVELS["dog"])
    (animals / "dog/3.png").symlink_to(tmp_path / "elsewhere.png")
    picture(animals / "owl/UPPER.PNG", LEVELS["owl"])
    file = written(tmp_path, "folder", animals)
    assert len(file["images"]) == 26
    assert_labels_belong(file)
    assert (
        f"Ignored in {animals}: 2 .heic files, 1 .txt files, 1 broken links, "
        "1 files in no sub-folder, 2 hidden files, 1 hidden folder '.cache', 1 hidden folders, "
        "1 linked folders, 1 thumbnail folders\n"
    ) in caplog.text
    assert "2 .heic files" in file["ignored"].asstr()[()]


def copied(animals: Path, source: str, target: str) -> None:
    """The same picture under another name and maybe in another format."""
    (animals / target).parent.mkdir(exist_ok=True, parents=True)
    Image.open(animals / source).save(animals / target)


def test_copy_of_an_image_is_used_once(
    animals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copied(animals, "cat/0/0.png", "cat/1/copy.bmp")
    file = written(tmp_path, "folder", animals)
    parts = [file[name][()] for name in ("train", "validation", "folds/0/test")]
    assert sorted(np.concatenate(parts)) == [n for n in range(25) if n != 8]
    line = f"{animals}/cat/1/copy.bmp: a copy of {animals}/cat/0/0.png"
    assert list(file["copies"].asstr()) == [line]
    assert f"1 images are copies of others and are not used:\n  {line}" in caplog.text


def test_image_in_two_parts_is_kept_in_test(animals: Path, tmp_path: Path) -> None:
    root = as_parts(animals, tmp_path / "parts", "train", "val", "test")
    copied(root, "train/cat/0.png", "test/cat/copy.png")
    copied(root, "train/dog/0.png", "val/dog/copy.png")
    file = written(tmp_path, "folder", root)
    shown = file["images"][:, 0, 15, 15]
    parts = [set(shown[file[name][()]]) for name in ("train", "validation", "folds/0/test")]
    assert [len(part) for part in parts] == [4, 7, 7]
    assert len(set.union(*parts)) == 18
    copied(root, "train/cat/1.png", "test/cat/copy 2.png")
    with pytest.raises(UserError, match="has no usable examples of class 'cat' in train"):
        written(tmp_path, "folder", root)


def test_image_in_two_classes_is_refused(
    animals: Path, tmp_path: Path, arrays: Callable[..., Path]
) -> None:
    copied(animals, "cat/0/0.png", "owl/copy.png")
    with pytest.raises(UserError) as refusal:
        written(tmp_path, "folder", animals)
    assert (
        f"has equal images in different classes:\n  {animals}/owl/copy.png in class 'owl', "
        f"{animals}/cat/0/0.png in class 'cat'\ndelete those whose class is wrong"
    ) in str(refusal.value)
    images = COLOUR.copy()
    images[7] = images[2]
    with pytest.raises(UserError, match="row 7 in class '1', row 2 in class '2'"):
        written(tmp_path, "hdf5", arrays(images=images, labels=LABELS))


def test_fraction_reads_only_the_files_that_it_needs(animals: Path, tmp_path: Path) -> None:
    root = as_parts(animals, tmp_path / "parts", "train", "val", "test")
    with written(tmp_path, "folder", root, fraction=0.5) as file:
        used = file["images"][()]
        sizes = [len(file[name]) for name in ("train", "validation", "folds/0/test")]
    assert sizes == [3, 3, 3]
    for path in root.glob("*/*/*.png"):
        if not (np.asarray(Image.open(path)) == used).all(axis=(2, 3)).any():
            path.write_text("no image")
    with written(tmp_path, "folder", root, fraction=0.5) as file:
        np.testing.assert_array_equal(file["images"], used)


def test_equal_images_of_pairs_are_one_image(faces: Path, tmp_path: Path) -> None:
    copied(faces, "0.png", "copy.bmp")
    rows = [f"{n}.png,{n + 20}.png,{n % 2}" for n in range(19)]
    path = table(faces / "pairs.csv", "left,right,same", *rows, "copy.bmp,19.png,1")
    pairs = written(tmp_path, "pairs", path)["pairs"][()]
    assert pairs[0, 0] == pairs[-1, 0]


def test_file_that_is_linked_twice_is_refused(
    animals: Path, tmp_path: Path, lines: list[str]
) -> None:
    (animals / "dog/link.png").symlink_to(animals / "cat/0/0.png")
    with pytest.raises(UserError, match="has the same file as .*cat/0/0.png and .*dog/link.png"):
        written(tmp_path, "folder", animals)
    path = table(animals / "list.csv", "path,label", *lines, "dog/link.png,dog")
    with pytest.raises(UserError, match="line 26 lists dog/link.png, the same file as line 2:"):
        written(tmp_path, "csv", path)


def test_names_that_are_not_utf_8_are_escaped_or_refused(animals: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff.png")
    (animals / "cat" / odd).write_text("no image")
    file = written(tmp_path, "folder", animals, corrupt="skip")
    assert list(file["skipped"].asstr()) == [f"{animals}/cat/\\xff.png: not an image"]
    (animals / "owl").rename(animals / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UserError, match=r"sub-folder 'caf\\xe9', whose name is not UTF-8: rename"):
        written(tmp_path, "folder", animals)


def as_parts(animals: Path, root: Path, *parts: str) -> Path:
    """Folders of parts with two images of each class."""
    for first, part in enumerate(parts):
        for name in LEVELS:
            for number in range(2 * first, 2 * first + 2):
                source = animals / f"{name}/{number % 2}/{number}.png"
                target = root / part / name / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
    return root


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_folders_train_validation_and_test_are_the_splits(
    animals: Path, tmp_path: Path, validation: str
) -> None:
    root = as_parts(animals, tmp_path / "parts", "train", "test", validation)
    file = written(tmp_path, "folder", root)
    assert list(file["classes"].asstr()) == ["cat", "dog", "owl"]
    assert_labels_belong(file)
    np.testing.assert_array_equal(file["train"], range(6))
    np.testing.assert_array_equal(file["validation"], range(6, 12))
    np.testing.assert_array_equal(file["folds/0/train"], range(12))
    np.testing.assert_array_equal(file["folds/0/test"], range(12, 18))
    for key in ("validation", "test"):
        with pytest.raises(UserError, match=f"'data.{key}' is 0.2, but folder has its own splits"):
            written(tmp_path, "folder", root, **{key: 0.2})


def test_validation_part_is_drawn_from_the_folder_train(animals: Path, tmp_path: Path) -> None:
    root = as_parts(animals, tmp_path / "parts", "Train", "Test", "Train")
    file = written(tmp_path, "folder", root, validation=1 / 3)
    assert_labels_belong(file)
    train, validation = file["train"][()], file["validation"][()]
    assert (len(train), len(validation)) == (8, 4)
    assert set(file["labels"][()][validation]) == {0, 1, 2}
    np.testing.assert_array_equal(np.union1d(train, validation), range(12))
    np.testing.assert_array_equal(file["folds/0/train"], range(12))
    np.testing.assert_array_equal(file["folds/0/test"], range(12, 18))
    with pytest.raises(UserError, match=r"'data\.test' is 0\.2, but folder has its own splits"):
        written(tmp_path, "folder", root, test=0.2)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train", "test", "extra"], "has the parts test, train and also extra: move these"),
        (["train", "test", "val", "valid"], "has the parts test, train, val, valid: keep one for"),
        (["train", "val"], "has the parts train, val but no folder test: add it"),
    ],
)
def test_unclear_part_folders_are_refused(
    animals: Path, tmp_path: Path, folders: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        written(tmp_path, "folder", as_parts(animals, tmp_path / "parts", *folders))


def test_part_folder_without_a_class_is_refused(animals: Path, tmp_path: Path) -> None:
    root = as_parts(animals, tmp_path / "parts", "train", "test")
    (root / "test/owl").rename(tmp_path / "owl")
    with pytest.raises(UserError, match="no usable examples of class 'owl' in test: each of"):
        written(tmp_path, "folder", root)


def test_class_named_train_is_a_class(animals: Path, tmp_path: Path) -> None:
    (animals / "cat").rename(animals / "train")
    file = written(tmp_path, "folder", animals)
    assert list(file["classes"].asstr()) == ["dog", "owl", "train"]


def test_labels_match_images_after_skipping(animals: Path, tmp_path: Path) -> None:
    for name in ("cat/0/0.png", "dog/1/3.png", "owl/1/7.png"):
        (animals / name).write_text("no image")
    with pytest.raises(UserError, match="3 of 24"):
        written(tmp_path, "folder", animals)
    assert not (tmp_path / "data.h5").exists()
    file = written(tmp_path, "folder", animals, corrupt="skip")
    np.testing.assert_array_equal(np.bincount(file["labels"]), [7, 7, 7])
    assert_labels_belong(file)
    assert [entry.decode().split(": ")[0] for entry in file["skipped"]] == [
        str(animals / name) for name in ("cat/0/0.png", "dog/1/3.png", "owl/1/7.png")
    ]


def test_invalid_folders_are_refused(animals: Path, tmp_path: Path) -> None:
    (animals / "empty").mkdir()
    with pytest.raises(UserError, match=r"data\.path.*empty has no image files"):
        written(tmp_path, "folder", animals)
    (animals / "empty").rmdir()
    for number in range(3):
        picture(animals / f"rare/{number}.png", 0)
    with pytest.raises(UserError, match="has 3 usable examples of class 'rare'.*4 or more"):
        written(tmp_path, "folder", animals)
    with pytest.raises(UserError, match="has no sub-folders"):
        written(tmp_path, "folder", animals / "cat/0")
    advice = "a single class, 'animals', whose images are all in sub-folders: write 'data.path: "
    with pytest.raises(UserError, match=f"{advice}{animals}'"):
        written(tmp_path, "folder", tmp_path)


def test_class_that_is_too_small_after_skipping_is_refused(animals: Path, tmp_path: Path) -> None:
    for number in range(5):
        (animals / f"dog/{number % 2}/{number}.png").write_text("no image")
    with pytest.raises(UserError, match="has 3 usable examples of class 'dog'"):
        written(tmp_path, "folder", animals, corrupt="skip")


@pytest.mark.parametrize("name", ["folder", "csv", "pairs", "hdf5"])
def test_data_path_is_required_and_must_exist(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"'data\.path' is missing: data\.name {name} needs a"):
        written(tmp_path, name, None)
    with pytest.raises(UserError, match=r"data\.path.*nowhere does not exist, it must be a"):
        written(tmp_path, name, tmp_path / "nowhere")


@pytest.fixture
def lines(animals: Path) -> list[str]:
    """Rows of a list of all images, the classes in turn."""
    return [
        f"{name}/{number % 2}/{number}.png,{name}" for number in range(8) for name in LEVELS
    ]  # fmt: skip


def test_csv_paths_are_relative_to_its_folder(
    animals: Path, tmp_path: Path, lines: list[str]
) -> None:
    file = written(tmp_path, "csv", table(animals / "list.csv", "path,label", *lines))
    np.testing.assert_array_equal(file["labels"], np.tile([0, 1, 2], 8))
    assert_labels_belong(file)
    assert len(file["folds/0/test"]) == 6


def test_csv_split_column_sets_the_parts(animals: Path, tmp_path: Path, lines: list[str]) -> None:
    parts = ["test"] * 6 + ["train"] * 12 + ["validation"] * 6
    rows = [f"{part},{line}" for part, line in zip(parts, lines, strict=True)]
    (animals / "dog/0/0.png").write_text("no image")  # of the second row
    path = table(animals / "list.csv", "split, path, label", *rows, "")
    file = written(tmp_path, "csv", path, corrupt="skip")
    assert_labels_belong(file)
    np.testing.assert_array_equal(file["folds/0/test"], range(5))
    np.testing.assert_array_equal(file["train"], range(5, 17))
    np.testing.assert_array_equal(file["validation"], range(17, 23))
    np.testing.assert_array_equal(file["folds/0/train"], range(5, 23))


def test_csv_spaces_before_quoted_values_are_ignored(
    animals: Path, tmp_path: Path, lines: list[str]
) -> None:
    rows = ['"{}", "{}"'.format(*line.split(",")) for line in lines]
    file = written(tmp_path, "csv", table(animals / "list.csv", "path, label", *rows))
    assert list(file["classes"].asstr()) == sorted(LEVELS)
    assert_labels_belong(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is '', it must be a header with the columns path, label and optionally split"),
        ("a.png,cat", "line 1 is 'a.png,cat', it must be a header"),
        ("path,label,colour\na.png,cat,red", "line 1 is 'path,label,colour', it must be a header"),
        ("path,label", "has no rows"),
        ("path,label\na.png,cat\n\nb.png,", "line 4 has no label"),
        ("path,label\na.png,cat\nb.png", "line 3 has 1 values, the header has 2"),
        (
            "path,label\na.png,cat\n./a.png,dog",
            "line 3 lists ./a.png, the same file as line 2: delete one of them",
        ),
        ("path,label\na.png,cat", "a single class, 'cat'"),
        ("path,label\na.png,cat\nb.png,dog", "has 1 usable examples of class 'cat'"),
        (
            "path,label,split\na.png,cat,train\nb.png,dog,tests",
            "line 3 has split 'tests', it must be one of: train, validation, test",
        ),
        (
            "path,label,split\na.png,cat,train\nb.png,dog,test",
            "has no usable examples for validation",
        ),
        (
            "path,label,split\n"
            "a.png,cat,train\nb.png,dog,train\nc.png,cat,validation\nd.png,dog,test",
            "has no usable examples of class 'dog' in validation: "
            "each of train, validation, test must have all 2 classes",
        ),
        ('path,label\n"a.png,cat', "is not a CSV file"),
        ("path,label\n\udcff.png,cat", "is not a CSV file"),
    ],
)
def test_invalid_csv_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError) as refusal:
        written(tmp_path, "csv", path)
    assert str(refusal.value).startswith(f"config key 'data.path': {path} ")
    assert message in str(refusal.value)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder with 40 images, whose grays are their numbers."""
    for number in range(40):
        picture(tmp_path / f"faces/{number}.png", number)
    return tmp_path / "faces"


def grays(file: h5py.File) -> np.ndarray:
    """What the images of each pair show, ``(M, 2)``."""
    return file["images"][:, 0, 0, 0][file["pairs"][()]]


def test_image_of_several_pairs_is_stored_once(faces: Path, tmp_path: Path) -> None:
    sames = ["1", "no", "TRUE", "0", "yes", "false"] * 5
    pairs = [(n % 20, n % 20 + 1 + n // 20) for n in range(30)]
    rows = [f"{a}.png,./{b}.png,{same}" for (a, b), same in zip(pairs, sames, strict=True)]
    folds = ["train"] * 8 + ["validation"] * 6 + ["1"] * 6 + ["2"] * 6 + ["3"] * 4
    rows = [f"{row},{fold}" for row, fold in zip(rows, folds, strict=True)]
    file = written(tmp_path, "pairs", table(faces / "pairs.csv", "left,right,same,fold", *rows))
    assert len(file["images"]) == 21
    np.testing.assert_array_equal(grays(file), pairs)
    np.testing.assert_array_equal(file["labels"], [1, 0, 1, 0, 1, 0] * 5)
    assert list(file["classes"].asstr()) == ["different", "same"]
    np.testing.assert_array_equal(file["train"], range(8))
    np.testing.assert_array_equal(file["validation"], range(8, 14))
    np.testing.assert_array_equal(file["folds/1/test"], range(20, 26))
    np.testing.assert_array_equal(file["folds/1/train"], [*range(14, 20), *range(26, 30)])
    assert len(file["folds"]) == 3


def test_linked_image_of_pairs_is_stored_once(faces: Path, tmp_path: Path) -> None:
    (faces / "link.png").symlink_to(faces / "0.png")
    rows = [f"{n}.png,{n + 20}.png,{n % 2}" for n in range(19)]
    file = written(
        tmp_path, "pairs", table(faces / "pairs.csv", "left,right,same", *rows, "link.png,19.png,1")
    )
    assert len(file["images"]) == 39
    np.testing.assert_array_equal(grays(file)[-1], [0, 19])


def test_pairs_of_skipped_images_are_left_out(faces: Path, tmp_path: Path) -> None:
    rows = [f"{n}.png,{n + 20}.png,{n % 2}" for n in range(20)]
    (faces / "3.png").write_text("no image")
    (faces / "38.png").write_text("no image")
    path = table(faces / "pairs.csv", "left,right,same", *rows)
    file = written(tmp_path, "pairs", path, corrupt="skip")
    kept = [n for n in range(20) if n not in (3, 18)]
    np.testing.assert_array_equal(grays(file), [(n, n + 20) for n in kept])
    np.testing.assert_array_equal(file["labels"], [n % 2 for n in kept])
    examples = [file[name][()] for name in ("train", "validation", "folds/0/test")]
    assert sorted(np.concatenate(examples)) == list(range(18))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["left,right,label", "a,b,1"], "line 1 is 'left,right,label', it must be a header"),
        (["left,right,same", "a,b,1", "a,c,maybe"], "line 3 has same 'maybe', it must be one of"),
        (["left,right,same", "a,b,1", "a,c,0"], "has 1 usable examples of class 'different'"),
        (["left,right,same,fold", "a,b,1,0"], "line 2 has fold '0', it must be train, validation"),
        (["left,right,same,fold", "a,b,1,train"], "has the numbered folds []"),
        (["left,right,same,fold", "a,b,1,1", "a,c,1,3"], "has the numbered folds [1, 3]"),
        (
            ["left,right,same,fold", *(f"a,{n},{n % 2},{1 + n // 2}" for n in range(4))],
            "lacks pairs that are the same or pairs that are different in fold 'train'",
        ),
    ],
)
def test_invalid_pairs_csv_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(UserError) as refusal:
        written(tmp_path, "pairs", table(tmp_path / "pairs.csv", *rows))
    assert message in str(refusal.value)


def test_random_splits_of_pairs_share_no_image() -> None:
    people = RNG.integers(0, 100, (400, 1))  # pairs are among the ten images of a person
    pairs, labels = 10 * people + RNG.integers(0, 10, (400, 2)), RNG.integers(0, 2, 400)
    drawn = splits.disjoint_pairs(pairs, labels, validation=0.25, test=0.25, seed=0)
    ((rest, test),) = drawn.folds
    assert sorted([*rest, *test]) == list(range(400))
    np.testing.assert_array_equal(rest, np.union1d(drawn.train, drawn.validation))
    parts = (drawn.train, drawn.validation, test)
    seen = [np.unique(pairs[rows]) for rows in parts]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.unique(pairs))
    for rows, share in zip(parts, (0.5, 0.25, 0.25), strict=True):
        np.testing.assert_allclose(np.bincount(labels[rows]), share * np.bincount(labels), atol=5)
    other = splits.disjoint_pairs(pairs, labels, validation=0.25, test=0.25, seed=1)
    assert not np.array_equal(other.folds[0][1], test)


def test_pairs_that_form_one_group_are_refused() -> None:
    chain = np.column_stack([np.arange(30), np.arange(1, 31)])
    with pytest.raises(UserError, match="into 1 groups.*column 'fold'"):
        splits.disjoint_pairs(chain, np.arange(30) % 2, validation=0.25, test=0.25, seed=0)


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[..., Path]:
    """Write arrays as an HDF5 file."""

    def write(**content: Any) -> Path:
        with h5py.File(tmp_path / "own.h5", "w") as file:
            for name, value in content.items():
                file[name] = value
        return tmp_path / "own.h5"

    return write


LABELS = np.arange(12) % 3
COLOUR = RNG.integers(0, 256, (12, 3, 20, 20), "uint8")
BANDS = RNG.integers(0, 256, (12, 13, 20, 20), "uint8")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (COLOUR[:, 0], COLOUR[:, :1]),
        (COLOUR[:, :1], COLOUR[:, :1]),
        (BANDS, BANDS),
        (BANDS.transpose(0, 2, 3, 1), BANDS),
        (BANDS[:, :2], BANDS[:, :2]),
        (COLOUR.astype("float32") / 255, COLOUR),
    ],
)
def test_hdf5_accepts_usual_array_layouts(
    tmp_path: Path, arrays: Callable[..., Path], images: np.ndarray, expected: np.ndarray
) -> None:
    file = written(tmp_path, "hdf5", arrays(images=images, labels=LABELS + 5))
    np.testing.assert_array_equal(file["images"], expected)
    np.testing.assert_array_equal(file["labels"], LABELS)
    assert list(file["classes"].asstr()) == ["5", "6", "7"]


def test_arrays_of_any_numbers_have_the_range_of_the_configuration(
    tmp_path: Path, arrays: Callable[..., Path]
) -> None:
    path = arrays(images=BANDS.astype("uint16") * 40, labels=LABELS)
    with written(tmp_path, "hdf5", path, value_range=(0, 255 * 40)) as file:
        np.testing.assert_array_equal(file["images"], BANDS)
    with DataFile(tmp_path / "data.h5") as data:
        assert data.decoding == Decoding((0, 255 * 40))


def test_unclear_place_of_channels_is_asked_for(
    tmp_path: Path, arrays: Callable[..., Path]
) -> None:
    images = RNG.integers(0, 256, (12, 20, 20, 20), "uint8")
    path = arrays(images=images, labels=LABELS)
    with pytest.raises(UserError, match="write 'data.layout: first' or 'data.layout: last'"):
        written(tmp_path, "hdf5", path)
    with written(tmp_path, "hdf5", path, layout="first") as file:
        np.testing.assert_array_equal(file["images"], images)
    with written(tmp_path, "hdf5", path, layout="last") as file:
        np.testing.assert_array_equal(file["images"], images.transpose(0, 3, 1, 2))


def test_hdf5_images_are_resized_over_many_blocks(
    tmp_path: Path, arrays: Callable[..., Path]
) -> None:
    images = np.repeat(np.arange(240, dtype="uint8"), 300 * 400).reshape(240, 300, 400)
    names = np.array(["b", "a"] * 120, object)
    file = written(tmp_path, "hdf5", arrays(images=images, labels=names), size=32, channels="rgb")
    assert file["images"].shape == (240, 3, 32, 32)
    np.testing.assert_array_equal(file["images"][:, 2, 9, 9], np.arange(240))
    np.testing.assert_array_equal(file["labels"], [1, 0] * 120)
    assert list(file["classes"].asstr()) == ["a", "b"]


def test_hdf5_row_numbers_set_the_splits(tmp_path: Path, arrays: Callable[..., Path]) -> None:
    path = arrays(
        images=COLOUR, labels=LABELS, train=[9, 0, 4, 5], validation=[1, 2, 6], test=[3, 7, 8]
    )
    with written(tmp_path, "hdf5", path) as file:
        np.testing.assert_array_equal(file["folds/0/train"], [0, 1, 2, 4, 5, 6, 9])
        np.testing.assert_array_equal(file["folds/0/test"], [3, 7, 8])
    selection = Selection(tmp_path / "data.h5")
    np.testing.assert_array_equal(selection.train.rows, [0, 4, 5, 9])
    np.testing.assert_array_equal(selection.images[:], COLOUR[[0, 1, 2, 4, 5, 6, 9]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "has no data set 'images'"),
        ({"labels": None}, "has no data set 'labels'"),
        ({"labels": LABELS[:5]}, "has labels (5,) and images (12, 3, 20, 20)"),
        ({"labels": LABELS / 2}, "has labels of type float64"),
        ({"labels": np.arange(12) // 10}, "has 2 usable examples of class '1'"),
        ({"images": COLOUR[:, :, :2]}, "has images (12, 3, 2, 20), which must be"),
        ({"images": COLOUR[:, 0, :, :8]}, "has 8x20 pixels: set it to 16 or more"),
        ({"images": COLOUR.astype("int32")}, "holds int32 images, which must be uint8 or float"),
        ({"images": COLOUR.astype("float64")}, "floats must be in [0, 1]"),
        ({"labels": np.array([b"owl\xff"] * 12)}, "has labels that are not UTF-8"),
        ({"train": [0, 1]}, "has only the parts train"),
        ({"train": [0, 1], "validation": [1, 2], "test": [3]}, "in two of train"),
        ({"train": [0, 1], "validation": [2], "test": [12]}, "row numbers from 0 to 11"),
        ({"train": [0, 1], "validation": [2], "test": np.empty(0, int)}, "examples for test"),
        (
            {"train": [0, 1, 2], "validation": [3, 4, 5], "test": [6, 8]},
            "has no usable examples of class '1' in test",
        ),
    ],
)
def test_invalid_hdf5_is_refused(
    tmp_path: Path, arrays: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    content = {"images": COLOUR, "labels": LABELS} | changes
    path = arrays(**{name: value for name, value in content.items() if value is not None})
    with pytest.raises(UserError) as refusal:
        written(tmp_path, "hdf5", path)
    assert message in str(refusal.value)


def test_truncated_hdf5_is_refused(tmp_path: Path, arrays: Callable[..., Path]) -> None:
    path = arrays(images=COLOUR, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"own\.h5 cannot be opened: .*truncated file"):
        written(tmp_path, "hdf5", path)


def test_hdf5_that_another_process_writes_is_refused(
    tmp_path: Path, arrays: Callable[..., Path]
) -> None:
    path = arrays(images=COLOUR, labels=LABELS)
    with h5py.File(path, "r+"):
        lines = subprocess.run(
            [sys.executable, "-m", "hpconv", "init", str(path)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        ).stderr.splitlines()
    assert [line for line in lines if "own.h5 is open for writing in another process" in line]
    assert len(lines) == 1


def test_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.h5").write_text("no HDF5")
    with pytest.raises(UserError, match=r"own\.h5 is not an HDF5 file"):
        written(tmp_path, "hdf5", tmp_path / "own.h5")
