"""``hpconv init``: a configuration for a user's images, which the workflow accepts."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from hpconv import datasets
from hpconv.config import resolve
from hpconv.datasets import suggestion, survey
from hpconv.errors import UserError
from tests.unit.cli.test_cli import called

CLASSES = ("cat", "dog", "eel")


def picture(number: int, width: int, height: int) -> Image.Image:
    """An image that differs from those of other numbers."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), "uint8")
    return Image.fromarray(pixels)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Colour pictures of 40 to 70 pixels, a copy, one that cannot be read, and a text."""
    monkeypatch.chdir(tmp_path)
    for number in range(36):
        path = Path("photos", CLASSES[number % 3], f"{number:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number, 40 + number % 31, 50).save(path)
    Path("photos/cat/copy.png").write_bytes(Path("photos/cat/00.png").read_bytes())
    Path("photos/dog/broken.png").write_bytes(b"no picture")
    Path("photos/eel/notes.txt").write_text("eels")
    return Path("photos")


def written(name: str) -> dict[str, Any]:
    return yaml.safe_load(Path("config", f"{name}.yaml").read_text())


def init(capsys: Any, monkeypatch: Any, *arguments: str) -> tuple[int, str, str]:
    return called(capsys, monkeypatch, "init", *arguments)


def test_folder_gives_a_configuration_with_which_its_images_are_read(
    photos: Path, capsys: Any, monkeypatch: Any
) -> None:
    status, out, error = init(capsys, monkeypatch, "photos", "--name", "mine")
    assert status == 0, error
    for part in ("cat", "broken.png: not an image", "a copy of", "1 .txt files", "40 to 50"):
        assert part in out, out
    assert "--configfile config/mine.yaml" in out.splitlines()[-1]
    config = written("mine")
    settings = resolve(config)
    assert config["data"] == {"name": "folder", "path": "photos", "size": 40, "corrupt": "skip"}
    assert settings.evaluation.recheck.best == 10
    assert "model" not in config
    datasets.write(settings.data, Path("data.h5"))


def test_many_images_are_searched_with_rungs(photos: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(suggestion, "MANY", 5)
    init(capsys, monkeypatch, "photos", "--name", "mine")
    assert resolve(written("mine")).search.rungs == (0.1, 0.3)


def test_existing_configuration_is_kept(photos: Path, capsys: Any, monkeypatch: Any) -> None:
    Path("config").mkdir()
    Path("config/photos.yaml").write_text("mine")
    status, _, error = init(capsys, monkeypatch, "photos")
    assert status == 1
    assert "config/photos.yaml exists: write another --name" in error
    assert Path("config/photos.yaml").read_text() == "mine"


def test_table_and_hdf5_file_are_recognised(photos: Path, capsys: Any, monkeypatch: Any) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted(photos.rglob("??.png"))]
    Path("table.csv").write_text("\n".join(["path,label", *rows]))
    with h5py.File("images.h5", "w") as file:
        file["images"] = np.stack([np.asarray(picture(n, 24, 24)) for n in range(36)])
        file["labels"] = np.arange(36) % 3
    for name, kind in (("table.csv", "csv"), ("images.h5", "hdf5")):
        status, _, error = init(capsys, monkeypatch, name)
        assert status == 0, error
        assert written(Path(name).stem)["data"]["name"] == kind
    config = written("images")
    assert config["data"] == {"name": "hdf5", "path": "images.h5"}
    assert config["model"] == {"output_sizes": [32]}


def test_pairs_are_recognised(photos: Path, capsys: Any, monkeypatch: Any) -> None:
    names = [f"photos/{CLASSES[n % 3]}/{n:02}.png" for n in range(36)]
    rows = [f"{names[n]},{names[n + 1]},{n // 2 % 2}" for n in range(0, 36, 2)]
    Path("pairs.csv").write_text("\n".join(["left,right,same", *rows]))
    status, out, error = init(capsys, monkeypatch, "pairs.csv")
    assert status == 0, error
    assert written("pairs")["data"]["name"] == "pairs"
    assert "same" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("photoz",), "did you mean 'photos'"),
        (("photos", "--name", "a b"), "--name is 'a b'"),
        (("photos/cat",), "no sub-folders"),
        (("table.csv",), "line 1"),
    ],
)
def test_unusable_images_are_refused_in_one_message(
    arguments: tuple[str, ...], part: str, photos: Path, capsys: Any, monkeypatch: Any
) -> None:
    Path("table.csv").write_text("file,class\n")
    status, _, error = init(capsys, monkeypatch, *arguments)
    assert status == 1
    assert part in error
    assert "data.path" not in error
    assert not Path("config").exists()


def test_large_pictures_are_resized_to_the_largest_size_of_the_space(photos: Path) -> None:
    for path in photos.rglob("??.png"):
        picture(int(path.stem), 200, 150).save(path)
    assert survey.look_at(photos).settings.size == 64


def test_class_with_too_few_images_is_refused(photos: Path) -> None:
    (photos / "fox").mkdir()
    picture(99, 50, 50).save(photos / "fox/99.png")
    with pytest.raises(UserError, match="1 usable examples of class 'fox'"):
        survey.look_at(photos)
