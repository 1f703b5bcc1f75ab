"""The feature cache: sharing, recovery after kills, detection of damage, maintenance."""

import json
import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from hpconv import features
from hpconv.cli import app
from hpconv.errors import UserError
from hpconv.features.cache import entry, keys, maintenance
from hpconv.model.pipeline import describe
from tests.conftest import mounted, until
from tests.unit.evaluation.test_retrain import trial
from tests.unit.objective.test_objective import CANDIDATE, MODEL

FORK = multiprocessing.get_context("fork")
BLOCK_BYTES = 2**18  # so that the digits make 23 blocks
OTHER = CANDIDATE | {"l0eg_fsize": 3.0}


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "BLOCK_BYTES", BLOCK_BYTES)
        yield


@pytest.fixture(scope="module")
def finished(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache of one entry, written without interruption, and its features file."""
    folder = tmp_path_factory.mktemp("finished")
    extract(digits, folder)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(finished, tmp_path / "project")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 3 MiB."""
    yield from mounted(tmp_path / "disk", "3m")


def extract(
    data: Path, folder: Path, assignment: dict[str, Any] = CANDIDATE, name: str = "features.h5"
) -> np.ndarray:
    """Extract into a folder, whose cache is named as a configuration would, and read."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        features.extract(trial(0, assignment), data, MODEL, Path(name), cache=Path("cache"))
    finally:
        os.chdir(here)
    return shown(folder / name)


def shown(path: Path) -> np.ndarray:
    with features.opened(path) as file:
        return file["features"][()]


def writer(data: Path, folder: Path, name: str = "features.h5") -> BaseProcess:
    process = FORK.Process(target=extract, args=(data, folder, CANDIDATE, name))
    process.start()
    return process


def cache_verb(verb: str, project: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["cache", verb, "--cache", str(project / "cache"), *options])


def blocks(folder: Path) -> list[Path]:
    return sorted(folder.glob("cache/*/block-*.h5"))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def identities(paths: list[Path]) -> dict[Path, tuple[int, int]]:
    """Inode and modification time, which change when a file is rewritten."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("cache/*/.*"))


@pytest.mark.parametrize("seed", [0, 1])
def test_finished_blocks_of_a_killed_writer_are_reused(
    digits: Path, finished: Path, tmp_path: Path, seed: int
) -> None:
    count = random.Random(seed).randrange(1, 12)
    process = writer(digits, tmp_path)
    until(lambda: len(blocks(tmp_path)) >= count)
    process.kill()
    process.join()
    left = identities(blocks(tmp_path))
    assert count <= len(left) < len(blocks(finished))
    assert not (tmp_path / "features.h5").exists()
    np.testing.assert_array_equal(extract(digits, tmp_path), shown(finished / "features.h5"))
    assert identities(list(left)) == left


def test_concurrent_writers_of_one_entry_both_succeed(
    digits: Path, finished: Path, tmp_path: Path
) -> None:
    writers = [writer(digits, tmp_path, f"{number}.h5") for number in range(2)]
    for process in writers:
        process.join()
        assert process.exitcode == 0
    for number in range(2):
        actual = shown(tmp_path / f"{number}.h5")
        np.testing.assert_array_equal(actual, shown(finished / "features.h5"))
    assert all(sound for _, sound in maintenance.verify(tmp_path / "cache"))
    assert len(entry.entries(tmp_path / "cache")) == 1
    assert not unfinished(tmp_path)


def test_truncated_swapped_and_corrupt_blocks_are_recomputed(digits: Path, project: Path) -> None:
    expected = shown(project / "features.h5")
    torn, foreign, flipped, *others = blocks(project)
    os.truncate(torn, torn.stat().st_size // 2)
    shutil.copy(others[0], foreign)
    flip_a_bit(flipped)
    before = identities(others)
    np.testing.assert_array_equal(extract(digits, project), expected)
    assert identities(others) == before
    assert all(sound for _, sound in maintenance.verify(project / "cache"))


def test_cached_features_are_not_recomputed(digits: Path, project: Path) -> None:
    before = identities(blocks(project))
    actual = extract(digits, project, name="again.h5")
    np.testing.assert_array_equal(actual, shown(project / "features.h5"))
    assert identities(blocks(project)) == before


def test_full_disk_is_a_user_error_and_keeps_finished_blocks(
    digits: Path, small_disk: Path
) -> None:
    with pytest.raises(UserError) as refused:
        extract(digits, small_disk)
    kept = identities(blocks(small_disk))
    assert len(kept) > 3
    assert not unfinished(small_disk)
    message = str(refused.value)
    needed = 1797 * 800 * 4 - sum(path.stat().st_size for path in kept)
    assert f"need {needed} bytes more" in message
    assert " are free" in message
    assert "hpconv cache prune --cache cache --keep" in message
    assert Path("cache", blocks(small_disk)[0].parent.name).as_posix() in message
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert np.isfinite(extract(digits, small_disk)).all()
    assert identities(list(kept)) == kept


def test_cache_path_that_is_a_file_is_a_user_error(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cache cannot be written to .*evaluation\.cache"):
        extract(digits, tmp_path)


def test_only_old_unfinished_files_are_removed(digits: Path, project: Path) -> None:
    folder = blocks(project)[0].parent
    old, young = folder / ".block-00000.h5.host.1.ab", folder / ".block-00000.h5.host.2.cd"
    for path in (old, young):
        path.write_text("part")
    os.utime(old, (0, time.time() - 90_000))
    blocks(project)[0].unlink()
    extract(digits, project)
    assert unfinished(project) == [young]


def test_classifier_hyperparameters_do_not_change_the_entry(digits: Path, project: Path) -> None:
    changes = {"l0eg_l2_reg": 0.5, "l0eg_varthresh": 0.1}
    changes |= {"l0eg_remove_std0": 0, "l0eg_divrowl2": 0}
    extract(digits, project, CANDIDATE | changes, "other.h5")
    assert len(entry.entries(project / "cache")) == 1
    with features.opened(project / "other.h5") as file:
        assert json.loads(file.attrs["assignment"])["l0eg_l2_reg"] == 0.5


def test_filter_size_and_seed_change_the_entry(digits: Path, project: Path) -> None:
    extract(digits, project, OTHER, "other.h5")
    extract(digits, project, CANDIDATE | {"l0eg_fbncc_wp_rseed": 1}, "seed.h5")
    assert len(entry.entries(project / "cache")) == 3


def test_changed_source_code_changes_the_entry(
    digits: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = shutil.copytree(keys.SOURCES, tmp_path / "sources")
    monkeypatch.setattr(keys, "SOURCES", sources)
    extract(digits, project, name="same.h5")
    assert len(entry.entries(project / "cache")) == 1
    with (sources / "kernels" / "kernels.c").open("a") as file:
        file.write("/* changed */")
    extract(digits, project, name="other.h5")
    assert len(entry.entries(project / "cache")) == 2


def test_engine_images_and_bounds_change_the_key() -> None:
    pipeline = describe(CANDIDATE, (1, 8, 8), MODEL)
    cpu = replace(MODEL, engine="cpu")
    models = [cpu, replace(cpu, engine="gpu"), replace(cpu, n_unsupervised=50)]
    found = {keys.key(pipeline, "images", model) for model in models}
    assert len(found | {keys.key(pipeline, "other images", cpu)}) == 4
    assert keys.key(pipeline, "images", replace(cpu, batch_size=7)) in found


def test_opening_pruned_features_is_a_user_error(project: Path) -> None:
    path = project / "features.h5"
    with features.opened(path) as file:
        assert np.isfinite(file["features"][()]).all()
        assert file["filters/0"].shape == (100, 1, 5, 5)
        assert len(file["rows"]) == 1797
    blocks(project)[3].unlink()
    with h5py.File(path) as file:
        assert np.isnan(file["features"][()]).any()
    with pytest.raises(UserError, match=f"block-00003.h5 was removed .*delete {path}"):
        shown(path)


def test_pruning_during_a_read_is_a_user_error(project: Path) -> None:
    def read_and_prune() -> None:
        with features.opened(project / "features.h5") as file:
            list(maintenance.prune(project / "cache", keep=0))
            file["features"][()]

    with pytest.raises(UserError, match="extract again"):
        read_and_prune()


def test_project_with_relative_cache_can_be_moved(project: Path, tmp_path: Path) -> None:
    expected = shown(project / "features.h5")
    moved = project.rename(tmp_path / "elsewhere")
    np.testing.assert_array_equal(shown(moved / "features.h5"), expected)


def test_results_with_absolute_cache_path_can_be_moved(
    digits: Path, project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "in" / "features.h5"
    features.extract(trial(0, CANDIDATE), digits, MODEL, path, cache=project / "cache")
    moved = path.rename(tmp_path / "features.h5")
    np.testing.assert_array_equal(shown(moved), shown(project / "features.h5"))


def test_prune_removes_the_least_recently_used_entry_first(digits: Path, project: Path) -> None:
    first = blocks(project)[0].parent
    extract(digits, project, OTHER, "other.h5")
    sizes = [one.bytes() for one in entry.entries(project / "cache")]
    for age, folder in enumerate(sorted(project.glob("cache/*"), key=lambda path: path != first)):
        os.utime(folder / "entry.json", (0, time.time() - 1000 * (2 - age)))
    shown(project / "features.h5")  # is a use
    assert list(maintenance.prune(project / "cache", sum(sizes))) == []
    removed = list(maintenance.prune(project / "cache", sum(sizes) - 1))
    assert [one.folder == first for one, _ in removed] == [False]
    assert list(project.glob("cache/*")) == [first]


def test_prune_keeps_only_entries_being_written(project: Path) -> None:
    old = blocks(project)[0].parent
    facts = json.loads((old / "entry.json").read_text())
    del facts["files"]
    (old / "entry.json").write_text(json.dumps(facts))
    young = shutil.copytree(old, old.with_name("0" * 20))
    (young / "block-00021.h5").touch()
    for path in (*old.iterdir(), old):
        os.utime(path, (0, time.time() - 4000))
    mine = project / "cache" / "mine"
    mine.mkdir()
    told = cache_verb("prune", project, "--keep", "0.5MB")
    assert told.exit_code == 0
    assert f"removed {old.name}: 5." in told.output
    assert "freed 5." in told.output
    assert sorted(project.glob("cache/*")) == [young, mine]


def test_verify_lists_damaged_and_missing_files(project: Path) -> None:
    told = cache_verb("verify", project)
    assert (told.exit_code, told.output) == (0, "24 of 24 files are intact\n")
    flipped, lost, *_ = blocks(project)
    flip_a_bit(flipped)
    lost.unlink()
    told = cache_verb("verify", project)
    assert told.exit_code == 1
    assert told.output.splitlines() == [
        f"{flipped} is damaged: delete it, and the next extraction computes it again",
        f"{lost} is missing: the next extraction computes it again",
        "22 of 24 files are intact",
    ]


def test_ls_shows_images_shape_size_and_trial(project: Path) -> None:
    (row,) = json.loads(cache_verb("ls", project, "--json").output)
    assert row["images"] == 1797
    assert row["shape"] == [800]
    assert row["complete"]
    assert row["tid"] == 0
    assert row["bytes"] == sum(path.stat().st_size for path in project.glob("cache/*/*"))
    blocks(project)[0].unlink()
    table = cache_verb("ls", project).output.splitlines()
    assert table[0].split()[:5] == ["key", "images", "shape", "size", "complete"]
    assert table[1].split()[1:6] == ["1797", "800", "5.6", "MB", "no"]


@pytest.mark.parametrize(
    ("text", "size"), [("50GB", 50 * 10**9), ("500 mb", 5 * 10**8), ("1.5TB", 15 * 10**11)]
)
def test_parse_size(text: str, size: int) -> None:
    assert maintenance.parse_size(text) == size


@pytest.mark.parametrize("text", ["50", "GB", "-1GB", "50 GiB", "1.GB"])
def test_parse_size_rejects_invalid_text(text: str) -> None:
    with pytest.raises(UserError, match=f"--keep is '{text}', write a size such as 50GB"):
        maintenance.parse_size(text)
