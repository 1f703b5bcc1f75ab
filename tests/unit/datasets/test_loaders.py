"""Loaders of published data sets, tested on small files in the original formats."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from hpconv import datasets
from hpconv.config import DataSettings
from hpconv.datasets import download, splits
from hpconv.datasets.loaders import cifar10, lfw, lfw_pairs, mnist, pubfig83, svhn
from hpconv.errors import UserError

RNG = np.random.default_rng(0)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where its package puts the original files


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


@dataclass(frozen=True)
class Written:
    """The content of a data file."""

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    train: np.ndarray
    validation: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    pairs: np.ndarray | None
    skipped: list[str]


def written(name: str, path: Path | None, out: Path, **settings: Any) -> Written:
    """Write a data set as the workflow does, and read the data file."""
    datasets.write(DataSettings(name, path=path, **settings), out / "data.h5")
    datasets.verify(out / "data.h5")
    with h5py.File(out / "data.h5") as file:
        folds = [file["folds"][str(number)] for number in range(len(file["folds"]))]
        return Written(
            file["images"][()],
            file["labels"][()],
            list(file["classes"].asstr()),
            file["train"][()],
            file["validation"][()],
            [(fold["train"][()], fold["test"][()]) for fold in folds],
            file["pairs"][()] if "pairs" in file else None,
            file["skipped"].asstr()[()].tolist(),
        )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Official splits of small data sets, with 10 instead of 10,000 validation images."""
    monkeypatch.setattr(splits, "official", partial(splits.official, validation=10))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)


def assert_official(found: Written, images: np.ndarray, labels: np.ndarray, n_test: int) -> None:
    """All images in order; the last are the test part, the ten before them the validation part."""
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, labels)
    rows = np.arange(len(labels))
    np.testing.assert_array_equal(found.train, rows[: -n_test - 10])
    np.testing.assert_array_equal(found.validation, rows[-n_test - 10 : -n_test])
    [(train, test)] = found.folds
    np.testing.assert_array_equal(train, rows[:-n_test])
    np.testing.assert_array_equal(test, rows[-n_test:])


# MNIST and Fashion-MNIST


def idx_file(values: np.ndarray, magic: int) -> bytes:
    return struct.pack(f">{1 + values.ndim}i", magic, *values.shape) + values.tobytes()


@dataclass
class Idx:
    """Four small idx files: 3 training images of each class and 2 test images."""

    folder: Path
    images: np.ndarray
    labels: np.ndarray

    def contents(self) -> list[bytes]:
        parts = slice(None, 30), slice(30, None)
        return [
            content
            for part in parts
            for content in (idx_file(self.images[part], 2051), idx_file(self.labels[part], 2049))
        ]


@pytest.fixture
def small_idx(tmp_path: Path) -> Idx:
    labels = np.concatenate([RNG.permutation(np.arange(30) % 10), np.arange(20) % 10])
    folder = tmp_path / "idx"
    folder.mkdir()
    return Idx(folder, RNG.integers(0, 256, (50, 28, 28), "uint8"), labels.astype("uint8"))


def publish_idx(
    small: Idx, name: str, monkeypatch: pytest.MonkeyPatch, contents: list[bytes] | None = None
) -> None:
    """Write the files and patch the published checksums and counts."""
    published = mnist.PUBLISHED[name]
    contents = contents or small.contents()
    for archive, content in zip(published.files, contents, strict=True):
        (small.folder / archive.name).write_bytes(gzip.compress(content))
    files = tuple(
        replace(archive, checksum=md5(content))
        for archive, content in zip(published.files, contents, strict=True)
    )
    few = replace(published, files=files, train=(3,) * 10, test=(2,) * 10)
    monkeypatch.setitem(mnist.PUBLISHED, name, few)


@pytest.mark.parametrize(("name", "class_9"), [("mnist", "9"), ("fashion-mnist", "Ankle boot")])
def test_idx_files_are_read(
    name: str,
    class_9: str,
    small_idx: Idx,
    few: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_idx(small_idx, name, monkeypatch)
    found = written(name, small_idx.folder, tmp_path)
    assert_official(found, small_idx.images[:, None], small_idx.labels, 20)
    assert (len(found.classes), found.classes[9]) == (10, class_9)


def test_uncompressed_idx_files_with_other_names_are_read(
    small_idx: Idx, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_idx(small_idx, "mnist", monkeypatch)
    for path in list(small_idx.folder.iterdir()):
        dotted = path.name.removesuffix(".gz").replace("-idx", ".idx")
        path.with_name(dotted).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert (small_idx.folder / "t10k-images.idx3-ubyte").is_file()
    found = written("mnist", small_idx.folder, tmp_path)
    assert_official(found, small_idx.images[:, None], small_idx.labels, 20)


def test_idx_files_with_other_checksums_are_refused(small_idx: Idx, tmp_path: Path) -> None:
    for archive, content in zip(mnist.PUBLISHED["mnist"].files, small_idx.contents(), strict=True):
        (small_idx.folder / archive.name).write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is damaged or not the orig"):
        written("mnist", small_idx.folder, tmp_path)
    assert not (tmp_path / "data.h5").exists()


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (
            0,
            lambda content: idx_file(np.zeros(50, "uint8"), 2049),
            "begins with 2049 instead of 2051",
        ),
        (0, lambda content: content[:-1], "is incomplete"),
        (1, lambda content: idx_file(np.arange(29, dtype="uint8") % 10, 2049), "does not match"),
        (3, lambda content: content[:-1] + b"\0", "images of its classes"),
    ],
)
def test_idx_files_with_other_content_are_refused(
    number: int,
    change: Callable[[bytes], bytes],
    message: str,
    small_idx: Idx,
    few: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contents = small_idx.contents()
    contents[number] = change(contents[number])
    publish_idx(small_idx, "mnist", monkeypatch, contents)
    with pytest.raises(UserError, match=message):
        written("mnist", small_idx.folder, tmp_path)


@pytest.mark.needs_fashion_mnist
def test_fashion_mnist_is_read_from_its_debian_package(tmp_path: Path) -> None:
    found = written("fashion-mnist", DEBIAN, tmp_path)
    assert found.images.shape == (70_000, 1, 28, 28)
    assert found.images[:60_000].mean() / 255 == pytest.approx(0.2860, abs=1e-4)  # as is known
    assert found.classes[found.labels[0]] == found.classes[found.labels[60_000]] == "Ankle boot"
    assert (len(found.train), len(found.validation)) == (50_000, 10_000)


# CIFAR-10


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes as Python 2 did: text is bytes, and numpy's functions are where they were."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_text(self, text: str | bytes) -> None:
        content = text.encode("latin1") if isinstance(text, str) else text
        short = len(content) < 256
        self.write(
            b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content))
        )
        self.write(content)
        self.memoize(text)

    def save_global(self, value: Any, name: str | None = None) -> None:
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(f"c{module}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text


def python_2(value: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(value)
    return file.getvalue()


CIFAR_CLASSES = [
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
]


@dataclass
class Cifar:
    """Six pickled batches, an image of each class in each."""

    images: np.ndarray
    labels: np.ndarray

    def files(self, dump: Callable[[Any], bytes]) -> dict[str, bytes]:
        names = [name for name in cifar10.CHECKSUMS if name != "batches.meta"]
        files = {
            name: dump(
                {
                    b"batch_label": name.encode(),
                    b"labels": self.labels[rows].tolist(),
                    b"data": self.images[rows].reshape(10, 3072),
                    b"filenames": [b"a_%d.png" % row for row in rows],
                }
            )
            for name, rows in zip(names, np.arange(60).reshape(6, 10), strict=True)
        }
        names = [name.encode() for name in CIFAR_CLASSES]
        files["batches.meta"] = dump({b"label_names": names, b"num_vis": 3072})
        return files


@pytest.fixture
def cifar() -> Cifar:
    labels = np.concatenate([RNG.permutation(10) for _ in range(6)])
    return Cifar(RNG.integers(0, 256, (60, 3, 32, 32), "uint8"), labels)


def packed(path: Path, files: dict[str, bytes]) -> None:
    """A tar file, whose members are in no particular order."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in reversed(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def publish_cifar(path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the archive, and let it be the published one."""
    packed(path, {f"cifar-10-batches-py/{name}": content for name, content in files.items()})
    archive = replace(cifar10.ARCHIVE, checksum=md5(path.read_bytes()))
    checksums = {name: md5(content) for name, content in files.items()}
    monkeypatch.setattr(cifar10, "ARCHIVE", archive)
    monkeypatch.setattr(cifar10, "CHECKSUMS", checksums)
    monkeypatch.setattr(cifar10, "TRAIN", (5,) * 10)
    monkeypatch.setattr(cifar10, "TEST", (1,) * 10)


@pytest.mark.parametrize("dump", [python_2, partial(pickle.dumps, protocol=2)])
def test_cifar_batches_are_read_with_official_splits(
    dump: Callable[[Any], bytes],
    cifar: Cifar,
    few: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_cifar(tmp_path / "cifar-10-python.tar.gz", cifar.files(dump), monkeypatch)
    found = written("cifar10", tmp_path, tmp_path)
    assert_official(found, cifar.images, cifar.labels, 10)
    assert found.classes == CIFAR_CLASSES


def test_damaged_cifar_batch_is_refused_after_unpacking(
    cifar: Cifar, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_cifar(tmp_path / "cifar-10-python.tar.gz", cifar.files(python_2), monkeypatch)
    written("cifar10", tmp_path, tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    damaged = bytearray((folder / "data_batch_3").read_bytes())
    damaged[5000] ^= 1
    (folder / "data_batch_3").write_bytes(damaged)
    with pytest.raises(UserError, match="data_batch_3 is damaged"):
        written("cifar10", folder, tmp_path)
    (folder / "data_batch_3").unlink()
    with pytest.raises(UserError, match="data_batch_3 cannot be read"):
        written("cifar10", folder, tmp_path)


def test_cifar_batches_with_other_classes_are_refused(
    cifar: Cifar, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar.labels[0] = (cifar.labels[0] + 1) % 10
    publish_cifar(tmp_path / "cifar-10-python.tar.gz", cifar.files(python_2), monkeypatch)
    with pytest.raises(UserError, match="images of its classes"):
        written("cifar10", tmp_path, tmp_path)


class Malicious:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


def test_malicious_pickle_is_refused(
    cifar: Cifar, few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = cifar.files(python_2)
    files["data_batch_2"] = pickle.dumps({b"data": Malicious(f"touch {tmp_path}/ran")}, 2)
    publish_cifar(tmp_path / "cifar-10-python.tar.gz", files, monkeypatch)
    with pytest.raises(
        UserError, match=r"data_batch_2 is not a batch of images, it calls posix\.sys"
    ):
        written("cifar10", tmp_path, tmp_path)
    assert not (tmp_path / "ran").exists()


# SVHN


def test_svhn_is_read_and_label_10_becomes_0(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = RNG.integers(0, 256, (50, 3, 32, 32), "uint8")
    labels = np.concatenate([RNG.permutation(np.arange(40) % 10), np.arange(10)])
    files = []
    for archive, rows in zip(svhn.FILES, (slice(40), slice(40, None)), strict=True):
        digits = np.where(labels[rows] == 0, 10, labels[rows]).astype("uint8")
        content = {"X": images[rows].transpose(2, 3, 1, 0), "y": digits[:, None]}
        savemat(tmp_path / archive.name, content, do_compression=True)
        checksum = md5((tmp_path / archive.name).read_bytes())
        files.append(replace(archive, checksum=checksum))
    monkeypatch.setattr(svhn, "FILES", files)
    monkeypatch.setattr(svhn, "TRAIN", (4,) * 10)
    monkeypatch.setattr(svhn, "TEST", (1,) * 10)
    found = written("svhn", tmp_path, tmp_path)
    assert_official(found, images, labels, 10)
    assert found.classes == list("0123456789")


def test_published_counts_add_up_to_published_sizes() -> None:
    sizes = {name: (sum(one.train), sum(one.test)) for name, one in mnist.PUBLISHED.items()}
    assert set(sizes.values()) == {(60_000, 10_000)}
    assert (sum(svhn.TRAIN), sum(svhn.TEST)) == (73_257, 26_032)
    assert (sum(cifar10.TRAIN), sum(cifar10.TEST)) == (50_000, 10_000)
    assert [2 * len(of.folds) * of.pairs for of in lfw_pairs.LISTS] == [2200, 1000, 6000]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "svhn"])
@pytest.mark.parametrize(
    ("change", "key"), [({"size": 16}, r"data\.size"), ({"channels": "gray"}, r"data\.channels")]
)
def test_settings_that_change_published_images_are_refused(
    name: str, change: dict[str, Any], key: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=key):
        written(name, tmp_path, tmp_path, **change)


# LFW

PERSONS = ("Ada_Lovelace", "Emmy_Noether", "Grace_Hopper", "Lise_Meitner", "Rosa_Luxemburg")
NUMBERS = (1, 2, 3)
FACES = [f"{person}/{person}_{number:04d}.jpg" for person in PERSONS for number in NUMBERS]
LEVELS = dict(zip(FACES, range(10, 250, 16), strict=True))  # each face is of one gray
UNUSED = FACES[-1]  # no pair names it


def jpeg(level: int, side: int = 32, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side), level, "uint8")).convert(mode).save(file, "JPEG")
    return file.getvalue()


@dataclass
class Faces:
    """Small lists of pairs, with the names of the two faces of each, and an archive of faces."""

    folder: Path
    pairs: list[tuple[str, str]]
    same: list[bool]

    def in_order_of_levels(self) -> np.ndarray:
        return np.array([[LEVELS[face] for face in pair] for pair in self.pairs])


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faces:
    made = Faces(tmp_path / "lfw_home", [], [])
    made.folder.mkdir()
    lists = []
    for of, count in zip(lfw_pairs.LISTS, (3, 2, 2), strict=True):
        text = pair_list(made, len(of.folds), count)
        (made.folder / of.archive.name).write_text(text)
        archive = replace(of.archive, checksum=md5(text.encode()))
        lists.append(replace(of, archive=archive, pairs=count))
    monkeypatch.setattr(lfw_pairs, "LISTS", tuple(lists))
    return made


def pair_list(made: Faces, folds: int, count: int) -> str:
    """The text of a list of pairs, which are added to those made."""
    lines = [f"{folds}\t{count}" if folds > 1 else f"{count}"]
    used = {person: NUMBERS[:-1] if UNUSED.startswith(person) else NUMBERS for person in PERSONS}
    for _ in range(folds):
        for same in [True] * count + [False] * count:
            left, right = RNG.choice(PERSONS, 2, replace=False)
            right = left if same else right
            first, second = (RNG.choice(used[person]) for person in (left, right))
            other = "" if same else f"{right}\t"
            lines.append(f"{left}\t{first}\t{other}{second}")
            faces = (f"{left}/{left}_{first:04d}.jpg", f"{right}/{right}_{second:04d}.jpg")
            made.pairs.append(faces)
            made.same.append(same)
    return "\n".join(lines) + "\n"


def publish_faces(
    made: Faces, monkeypatch: pytest.MonkeyPatch, archive_name: str = "lfw-funneled.tgz"
) -> str:
    """Write the archive of faces, and let it be the published one; the name of its folder."""
    [(archive, folder)] = [one for one in lfw.IMAGES if one[0].name == archive_name]
    mode = "L" if folder == "lfw2" else "RGB"
    packed(
        made.folder / archive_name,
        {f"{folder}/{face}": jpeg(level, mode=mode) for face, level in LEVELS.items()},
    )
    checksum = md5((made.folder / archive_name).read_bytes())
    monkeypatch.setattr(lfw, "IMAGES", ((replace(archive, checksum=checksum), folder),))
    return folder


@pytest.mark.parametrize(
    ("archive", "channels"),
    [("lfw-funneled.tgz", 3), ("lfwa.tar.gz", 1), ("lfw.tgz", 3), ("lfw-deepfunneled.tgz", 3)],
)
def test_lfw_pairs_refer_to_the_named_images(
    archive: str, channels: int, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_faces(faces, monkeypatch, archive)
    found = written("lfw", faces.folder, tmp_path)
    named = {face for pair in faces.pairs for face in pair}
    assert UNUSED not in named
    assert found.images.shape == (len(named), channels, 32, 32)
    assert found.pairs is not None
    levels = found.images.mean(axis=(1, 2, 3))
    assert (np.diff(levels) > 5).all()  # each once, in sorted order
    np.testing.assert_allclose(levels[found.pairs], faces.in_order_of_levels(), atol=3)
    np.testing.assert_array_equal(found.labels, faces.same)
    assert found.classes == ["different", "same"]


def test_lfw_selects_on_view_1_and_evaluates_on_view_2(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_faces(faces, monkeypatch)
    found = written("lfw", faces.folder, tmp_path)
    np.testing.assert_array_equal(found.train, np.arange(6))
    np.testing.assert_array_equal(found.validation, np.arange(6, 10))
    assert len(found.folds) == 10
    for number, (train, test) in enumerate(found.folds):
        np.testing.assert_array_equal(test, 10 + 4 * number + np.arange(4))
        np.testing.assert_array_equal(np.union1d(train, test), np.arange(10, 50))
        assert not np.intersect1d(train, test).size


def test_lfw_is_read_from_the_scikit_learn_cache(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish_faces(faces, monkeypatch)
    with tarfile.open(faces.folder / "lfw-funneled.tgz") as tar:
        tar.extractall(faces.folder, filter="data")
    (faces.folder / "lfw-funneled.tgz").unlink()  # as its fetcher does
    assert (faces.folder / folder).is_dir()
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert len(written("lfw", None, tmp_path).labels) == len(faces.same)


def test_lfw_pairs_of_skipped_faces_are_left_out(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish_faces(faces, monkeypatch)
    written("lfw", faces.folder, tmp_path)
    corrupt = faces.pairs[0][0]
    (faces.folder / folder / corrupt).write_bytes(b"no image")
    found = written("lfw", faces.folder, tmp_path, corrupt="skip")
    assert [corrupt in text for text in found.skipped] == [True]
    left = [number for number, pair in enumerate(faces.pairs) if corrupt not in pair]
    assert found.pairs is not None
    levels = found.images.mean(axis=(1, 2, 3))[found.pairs]
    np.testing.assert_allclose(levels, faces.in_order_of_levels()[left], atol=3)
    np.testing.assert_array_equal(found.labels, np.array(faces.same)[left])
    assert len(found.train) == sum(number < 6 for number in left)


def test_lfw_without_an_image_or_a_pair_is_refused(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish_faces(faces, monkeypatch)
    written("lfw", faces.folder, tmp_path)
    absent = faces.folder / folder / faces.pairs[0][0]
    absent.unlink()
    with pytest.raises(UserError, match=f"1 images are missing, the first is {absent}"):
        written("lfw", faces.folder, tmp_path)
    larger = tuple(replace(of, pairs=of.pairs + 1) for of in lfw_pairs.LISTS)
    monkeypatch.setattr(lfw_pairs, "LISTS", larger)
    with pytest.raises(UserError, match=r"pairsDevTrain\.txt does not have 1 folds of 2 x 4 pairs"):
        written("lfw", faces.folder, tmp_path)


# PubFig83


def public_figures(folder: Path, persons: int, count: int = 12) -> None:
    """Faces of one gray a person."""
    for person in range(persons):
        own = folder / f"Person {person:02d}"
        own.mkdir(parents=True)
        face = jpeg(3 * person, side=16)
        for number in range(count):
            (own / f"{number}.jpg").write_bytes(face)


def test_pubfig83_has_ten_folds_without_selection_images(tmp_path: Path) -> None:
    public_figures(tmp_path / "pubfig83", persons=83)
    found = written("pubfig83", tmp_path, tmp_path)
    assert (len(found.classes), found.classes[1]) == (83, "Person 01")
    np.testing.assert_allclose(found.images.mean(axis=(1, 2, 3)), 3 * found.labels, atol=3)
    chosen_on = np.union1d(found.train, found.validation)
    rows = np.arange(83 * 12)
    assert len(found.folds) == 10
    for train, test in found.folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), rows)
        assert len(test) == pytest.approx(len(rows) / 10, rel=0.01)
        assert not np.intersect1d(chosen_on, test).size
    tests = {tuple(test) for _, test in found.folds}
    assert len(tests) == 10


def test_pubfig83_is_unpacked_from_its_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_figures(tmp_path / "source", persons=83)
    path = tmp_path / pubfig83.ARCHIVE.name
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "source", "pubfig83")
    archive = replace(pubfig83.ARCHIVE, checksum=md5(path.read_bytes()))
    monkeypatch.setattr(pubfig83, "ARCHIVE", archive)
    assert len(written("pubfig83", tmp_path, tmp_path).images) == 83 * 12


def test_pubfig83_without_83_persons_is_refused(tmp_path: Path) -> None:
    public_figures(tmp_path / "pubfig83", persons=82, count=1)
    with pytest.raises(UserError, match="82 persons, not of 83"):
        written("pubfig83", tmp_path, tmp_path)
