"""Image files of all kinds are decoded into squares; undecodable files are reported."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from hpconv.config import DataSettings
from hpconv.datasets.data_writer import ImageWriter
from hpconv.datasets.image_files import MAX_LISTED, decode_files
from hpconv.datasets.image_formats import has_image_name
from hpconv.errors import UserError

Save = Callable[..., Path]
RNG = np.random.default_rng(0)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write an array or image, by default noise, as a file of the given name."""

    def write(name: str, image: np.ndarray | Image.Image | None = None, **options: Any) -> Path:
        if image is None:
            image = RNG.integers(0, 256, (20, 20), "uint8")
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def decoded(paths: list[Path], **settings: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The images, which of the paths they are, and what was skipped."""
    with h5py.File("pictures", "w", driver="core", backing_store=False) as file:
        chosen = DataSettings("folder", **settings)
        numbers, skipped = decode_files(paths, chosen, ImageWriter(file))
        return file["images"][()], numbers, skipped


def test_squares_of_one_size_are_unchanged(save: Save) -> None:
    arrays = RNG.integers(0, 256, (3, 20, 20), "uint8")
    images, numbers, skipped = decoded([save(f"{n}.png", a) for n, a in enumerate(arrays)])
    np.testing.assert_array_equal(images[:, 0], arrays)
    assert (list(numbers), skipped) == ([0, 1, 2], ())


@pytest.mark.parametrize("shape", [(20, 36), (36, 20)])
def test_centre_square_is_kept(save: Save, shape: tuple[int, int]) -> None:
    array = RNG.integers(0, 256, shape, "uint8")
    images, _, _ = decoded([save("oblong.png", array)])
    rows, columns = ((length - 20) // 2 for length in shape)
    middle = array[rows : rows + 20, columns : columns + 20]
    np.testing.assert_array_equal(images[0, 0], middle)


def test_smallest_image_sets_the_size_and_is_logged(
    save: Save, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    small = RNG.integers(0, 256, (40, 18), "uint8")
    paths = [save("large.png", np.full((90, 60), 7, "uint8")), save("small.png", small)]
    images, _, _ = decoded(paths)
    assert images.shape == (2, 1, 18, 18)
    np.testing.assert_array_equal(images[1, 0], small[11:29])
    assert "18x18" in caplog.text
    assert f"{paths[1]} (18x40)" in caplog.text


def test_scaling_is_antialiased(save: Save) -> None:
    stripes = np.tile(np.array([0, 255], "uint8"), (320, 160))
    for name in ("stripes.png", "stripes.jpg"):
        images, _, _ = decoded([save(name, stripes)], size=32)
        np.testing.assert_allclose(images[0, 0, 2:-2, 2:-2], 127, atol=12)


def test_small_images_are_enlarged_to_data_size(save: Save) -> None:
    images, _, _ = decoded([save("a.png", np.full((8, 9), 50, "uint8"))], size=24)
    np.testing.assert_array_equal(images, np.full((1, 1, 24, 24), 50))


def test_too_small_squares_are_refused(save: Save) -> None:
    path = save("tiny.png", np.zeros((10, 30), "uint8"))
    with pytest.raises(UserError, match=r"data\.size.*tiny\.png has 30x10 pixels.*16 or more"):
        decoded([save("large.png"), path])


def test_channels_follow_the_files_or_data_channels(save: Save) -> None:
    red = np.zeros((20, 20, 3), "uint8")
    red[..., 0] = 200
    gray, colour = save("gray.png", np.full((20, 20), 90, "uint8")), save("red.png", red)
    assert decoded([gray])[0].shape == (1, 1, 20, 20)
    mixed = decoded([gray, colour])[0]
    np.testing.assert_array_equal(mixed[:, :, 0, 0], [[90, 90, 90], [200, 0, 0]])
    as_gray = decoded([gray, colour], channels="gray")[0]
    np.testing.assert_array_equal(as_gray[:, :, 0, 0], [[90], [round(0.299 * 200)]])
    assert decoded([gray], channels="rgb")[0].shape == (1, 3, 20, 20)


def test_exif_orientation_is_applied(save: Save) -> None:
    array = np.zeros((20, 30), "uint8")
    array[:, 15:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    images, _, _ = decoded([save("turned.png", array, exif=exif)])
    assert images[0, 0, :9].max() == 0
    assert images[0, 0, 11:].min() == 255


def test_transparent_pixels_become_white(save: Save) -> None:
    half = Image.new("RGBA", (20, 20), (200, 0, 0, 255))
    half.paste((0, 0, 0, 0), (0, 0, 10, 20))
    palette = half.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    gray = Image.new("LA", (20, 20), (0, 0))
    gray.paste((90, 255), (10, 0, 20, 20))
    paths = [save("rgba.png", half), save("palette.png", palette), save("gray.png", gray)]
    images, _, _ = decoded(paths)
    assert (images[..., :9] == 255).all()
    np.testing.assert_allclose(images[0, :, 0, 15], [200, 0, 0])
    np.testing.assert_allclose(images[1, :, 0, 15], [200, 0, 0], atol=8)
    np.testing.assert_allclose(images[2, :, 0, 15], 90)


def test_16_bit_gray_becomes_8_bit_gray(save: Save) -> None:
    levels = np.linspace(0, 65535, 400).reshape(20, 20).astype("uint16")
    paths = [save("sixteen.png", levels), save("sixteen.tif", levels), save("sixteen.pgm", levels)]
    images, _, _ = decoded(paths)
    for image in images:
        np.testing.assert_array_equal(image, np.rint(levels[None] / 257))


def test_12_bits_in_16_keep_their_contrast(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    levels = np.linspace(0, 4000, 400).reshape(20, 20).astype("uint16")
    paths = [
        save("dark.png", levels // 8),
        save("bright.tif", levels),
        save("8.png", Image.new("L", (20, 20), 90)),
    ]
    images, _, _ = decoded(paths)
    np.testing.assert_array_equal(images[1, 0], np.rint(levels * (255 / 4095)))
    np.testing.assert_array_equal(images[0, 0], np.rint(levels // 8 * (255 / 4095)))
    assert (images[2] == 90).all()
    assert "2 images have 16 bits and values up to 4000: 0 to 4095 becomes 0 to 255" in caplog.text
    full, _, _ = decoded(paths, levels="full")
    np.testing.assert_array_equal(full[1, 0], np.rint(levels / 257))
    with h5py.File("one", "w", driver="core", backing_store=False) as file:
        decode_files(paths, DataSettings("folder"), ImageWriter(file))
        np.testing.assert_array_equal(file["images"].attrs["value_range"], [0, 4095])
    as_in_search, _, _ = decoded(paths[:1], value_range=(0, 4095))
    np.testing.assert_array_equal(as_in_search[0], images[0])


def test_floats_have_the_range_of_the_configuration(save: Save) -> None:
    levels = np.linspace(-2, 9, 400).reshape(20, 20).astype("float32")
    path = save("floats.tif", levels)
    images, _, _ = decoded([path, save("8.png", Image.new("L", (20, 20), 90))], value_range=(-1, 8))
    np.testing.assert_array_equal(images[0, 0], np.rint(255 * ((levels + 1) / 9).clip(0, 1)))
    assert (images[1] == 90).all()
    with pytest.raises(UserError, match=r"floats\.tif: .*write 'data\.value_range: \[LOW, HIGH\]'"):
        decoded([path, save("sixteen.png", levels.clip(0).astype("uint16"))])
    with pytest.raises(UserError, match=r"nan\.tif: values are infinite or not a number"):
        decoded([save("nan.tif", np.full((20, 20), np.nan, "float32"))], value_range=(0, 1))


def test_pages_of_tiff_files_are_channels_on_request(
    save: Save, caplog: pytest.LogCaptureFixture
) -> None:
    bands = RNG.integers(0, 4000, (2, 5, 20, 20), "uint16")
    pages = [[Image.fromarray(band) for band in each] for each in bands]
    paths = [
        save(f"{n}.tif", first, save_all=True, append_images=rest)
        for n, (first, *rest) in enumerate(pages)
    ]
    images, _, _ = decoded(paths, channels="pages", value_range=(0, 4000))
    np.testing.assert_array_equal(images, np.rint(bands * (255 / 4000)))
    first, _, _ = decoded(paths, value_range=(0, 4000))
    np.testing.assert_array_equal(first, images[:, :1])
    assert "2 TIFF files have several pages, of which the first is read" in caplog.text
    with pytest.raises(UserError, match=r"one\.tif: has 1 pages, the first file has 5"):
        decoded([*paths, save("one.tif")], channels="pages")


@pytest.mark.parametrize("name", ["one.bmp", "one.png", "one.tif"])
def test_1_bit_images_are_gray(save: Save, name: str) -> None:
    images, _, _ = decoded([save(name, Image.new("1", (20, 20), 1))])
    np.testing.assert_array_equal(images, np.full((1, 1, 20, 20), 255))


def test_cmyk_is_converted_to_rgb(save: Save) -> None:
    images, _, _ = decoded([save("cyan.tif", Image.new("CMYK", (20, 20), (255, 0, 0, 0)))])
    np.testing.assert_array_equal(images[0, :, 5, 5], [0, 255, 255])


@pytest.fixture
def spoilt(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """One good image among files that cannot be decoded."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    whole = save("truncated.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no image")
    save("bomb.png", np.zeros((80, 80), "uint8"))
    save("good.png", np.full((20, 20), 33, "uint8"))
    save("floats.tif", np.zeros((20, 20), "float32"))
    names = ["truncated.png", "empty.jpg", "text.png", "good.png", "bomb.png", "gone.png"]
    return [tmp_path / name for name in [*names, "floats.tif"]]


@pytest.mark.parametrize("name", ["drawing.eps", "drawing.ps", "eps-named.png"])
def test_postscript_is_never_interpreted(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content = save("drawing.eps", Image.new("RGB", (20, 20))).read_bytes()
    (tmp_path / name).write_bytes(content)
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: started.append(name))
    with pytest.raises(UserError, match=f"{name}: not an image"):
        decoded([tmp_path / name])
    assert not started
    assert has_image_name(Path("photo.JPG"))
    assert not has_image_name(tmp_path / "drawing.eps")


REASONS = {
    "truncated.png": "truncated",
    "empty.jpg": "not an image",
    "text.png": "not an image",
    "bomb.png": "has more than 5,000 pixels: make it smaller",
    "gone.png": "No such file",
    "floats.tif": "floats",
}


def test_undecodable_files_are_refused_in_one_message(spoilt: list[Path]) -> None:
    with pytest.raises(UserError) as refusal:
        decoded(spoilt)
    for name, reason in REASONS.items():
        (line,) = [line for line in str(refusal.value).splitlines() if name in line]
        assert reason in line
    assert "6 of 7" in str(refusal.value)
    assert "data.corrupt: skip" in str(refusal.value)
    assert "good.png" not in str(refusal.value)


def test_undecodable_files_can_be_skipped(
    spoilt: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    images, numbers, skipped = decoded(spoilt, corrupt="skip")
    assert list(numbers) == [3]
    np.testing.assert_array_equal(images, np.full((1, 1, 20, 20), 33))
    assert [Path(entry.split(": ")[0]).name for entry in skipped] == list(REASONS)
    assert "6 of 7" in caplog.text


def test_data_without_any_image_is_refused_despite_skip(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 of 3"):
        decoded([tmp_path / f"{n}.png" for n in range(3)], corrupt="skip")


def test_long_list_of_undecodable_files_is_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refusal:
        decoded([tmp_path / f"{n}.png" for n in range(MAX_LISTED + 5)])
    assert str(refusal.value).count(".png") == MAX_LISTED
    assert "and 5 more" in str(refusal.value)


def test_order_is_kept_over_many_blocks(save: Save) -> None:
    paths = [save(f"{n}.png", np.full((20, 20), n, "uint8")) for n in range(8)]
    many = [paths[n] for n in RNG.integers(0, 8, 700)]
    images, numbers, _ = decoded(many, size=200)
    np.testing.assert_array_equal(images[:, 0, 0, 0], [int(path.stem) for path in many])
    assert list(numbers) == list(range(700))
