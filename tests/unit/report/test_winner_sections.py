"""What the report shows of a winner, and of what everything was made with."""

import base64
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from hpconv import features, report, trials
from hpconv.cli.report import report as report_verb
from hpconv.config import resolve, to_json
from hpconv.datasets.data_file import DataFile, Splits
from hpconv.datasets.data_writer import Content, ImageWriter, write_content
from hpconv.errors import UserError
from hpconv.evaluation import retrain, summary
from hpconv.files import read_json, write_json
from hpconv.model.pipeline import describe
from hpconv.report import (
    confusion,
    contact_sheet,
    diagram,
    images,
    misclassified,
    provenance,
    winner,
)
from tests.unit.objective.test_objective import CANDIDATE, MODEL
from tests.unit.report.test_dashboard import ask, served

TURNED = {
    "warp": 1, "warp_rot": 0.1, "warp_shear": 0.2, "warp_scale_h": 1.1, "warp_scale_v": 0.9,
    "warp_trans_h": 0.125, "warp_trans_v": -0.25,
}  # fmt: skip
FIGURES = ("pipeline", "filters", "maps", "confusion", "mistakes")


def document(tid: int, assignment: dict[str, Any]) -> dict[str, Any]:
    return {
        "tid": tid,
        "state": 2,
        "owner": "node7:1:ab",
        "book_time": f"2026-01-01 10:0{tid}:07.000",
        "refresh_time": f"2026-01-01 11:0{tid}:07.000",
        "misc": {"vals": {k: [v] for k, v in assignment.items()}, "model": asdict(MODEL)},
        "result": {"status": "ok", "loss": 0.03, "seconds": {"learn": 1800}, "engine": "cpu"},
    }


@pytest.fixture(scope="module")
def finished(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with one evaluated winner, and one that failed."""
    folder = tmp_path_factory.mktemp("results")
    data, first = folder / "data.h5", folder / "winners/1"
    shutil.copy(digits, data)
    best, second = document(1, CANDIDATE), document(2, CANDIDATE | {"l0eg_fsize": 3.0})
    write_json(first / "trial.json", best)
    write_json(folder / "winners/2/trial.json", second)
    features.extract(best, data, MODEL, first / "features.h5", cache=folder / "cache")
    record, scores = first / "evaluation.json", first / "scores.npz"
    options = {"output": record, "scores": scores, "seeds": 1, "cache": folder, "memory_mb": 1024}
    options["fitted"] = first / "classifier.npz"
    retrain.retrain(first / "trial.json", data, first / "features.h5", MODEL, **options)
    write_json(folder / "baseline.json", read_json(record) | {"method": "pixels"})
    evaluations = [record, folder / "winners/2/evaluation.json"]
    output = folder / "final_evaluation.json"
    summary.write_summary(data, folder / "baseline.json", evaluations, output=output)
    lines = [
        path.read_text().replace("\n", "") for path in sorted(folder.glob("winners/*/trial.json"))
    ]
    (folder / "trials.jsonl").write_text("\n".join(lines) + "\n")
    search = {"algorithm": "tpe", "max_evals": 2, "startup_trials": 2, "target_loss": None}
    write_json(folder / "search.json", {"search": search, "stopped": "enough", "workers": 2})
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "copied")


def pixels(picture: images.Picture) -> np.ndarray:
    """What a data URI shows, ``(H, W, C)``."""
    image = Image.open(io.BytesIO(base64.b64decode(picture.src.partition(",")[2])))
    assert image.size == (picture.width, picture.height)
    return np.asarray(image).reshape(picture.height, picture.width, -1)


def test_diagram_has_all_steps_with_output_sizes() -> None:
    steps = diagram.steps(describe(CANDIDATE, (1, 8, 8), MODEL), n_classes=10, chosen=None)
    assert [(step["title"], step["size"]) for step in steps] == [
        ("Image", "1 × 8 × 8"),
        ("Resize to 16×16", "1 × 16 × 16"),
        ("100 filters of 5×5", "100 × 12 × 12"),
        ("Two-sided pooling on a 2×2 grid", "800 features"),
        ("Scaling", "800 features"),
        ("Linear SVM", "10 scores"),
    ]
    assert "patches normalised as (p − mean) / √(|p|² + 1)" in steps[2]["facts"]
    assert "L2 penalty 0.0001" in steps[-1]["facts"]


def test_diagram_shows_the_parameters_of_the_warp() -> None:
    pipeline = describe(CANDIDATE | TURNED, (1, 8, 8), MODEL)
    _, warp, *_ = diagram.steps(pipeline, n_classes=10, chosen=None)
    assert warp["title"] == "Warp to 16×16"
    assert warp["facts"] == [
        "rotation 5.73°, shear 11.5°",
        "scale 1.1 horizontal, 0.9 vertical",
        "translation 2 and −4 pixels",
    ]


def test_diagram_of_pairs_shows_the_chosen_kernels() -> None:
    chosen = {"c": 10.0, "weights": {"mult": 0.0, "absdiff": 0.25, "sqdiff": 4.0}}
    *_, last = diagram.steps(describe(CANDIDATE, (1, 8, 8), MODEL), n_classes=2, chosen=chosen)
    assert (last["title"], last["size"]) == ("Kernel SVM", "same or different")
    assert last["facts"] == ["C = 10", "kernels: absdiff × 0.25, sqdiff × 4"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1121444.77, "1.12×10⁶"), (2.318e-13, "2.32×10⁻¹³"), (-0.5, "−0.5"), (7.0, "7")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert diagram.number(value) == text


def test_zero_weight_is_middle_gray() -> None:
    bank = np.zeros((2, 1, 4, 4))
    bank[0, 0, 0, :2] = 5, -2.5
    bank[1, 0, 0, 0] = -0.01
    shown = pixels(images.filters(bank, "two"))
    tile = shown.shape[0]
    first, second = shown[:, :tile], shown[:, -tile:]
    assert first[0, 0].tolist() == [255, 255]
    assert first[0, tile // 4].tolist() == [64, 255]
    assert second[0, 0].tolist() == [0, 255]
    assert first[-1, -1].tolist() == second[-1, -1].tolist() == [128, 255]
    assert shown[0, tile, -1] == 0  # a gap that one can see through


def test_filters_have_colours_for_three_channels_and_means_for_more() -> None:
    bank = np.zeros((1, 3, 3, 3))
    bank[0, 0], bank[0, 2] = 1, -1
    assert pixels(images.filters(bank, "red, no blue"))[0, 0].tolist() == [255, 128, 0, 255]
    deep = np.ones((1, 4, 3, 3))
    deep[0, :2] = -1
    assert pixels(images.filters(deep, "nothing on average"))[0, 0].tolist() == [128, 255]


@pytest.mark.parametrize("size", [8, 32, 200])
def test_thumbnails_are_small(size: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, size, size), "uint8")
    shown = images.thumbnail(noise, "noise, which is as large as pictures get")
    assert 48 <= max(shown.width, shown.height) <= 96
    assert len(shown.src) < 16_000  # 240 of them, for ten winners of pairs, are under 4 MB
    if size == 8:
        assert (pixels(shown)[::12, ::12] == noise.transpose(1, 2, 0)).all()


def test_bands_of_a_thumbnail_are_chosen() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 8, 8), "uint8")
    shown = images.thumbnail(noise, "three of five bands", (4, 2, 0))
    assert (pixels(shown)[::12, ::12] == noise[[4, 2, 0]].transpose(1, 2, 0)).all()


def test_bands_that_images_do_not_have_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        ImageWriter(file).append(np.zeros((2, 5, 16, 16), "uint8"))
        parts = Splits(*[np.arange(2)] * 2, ((np.arange(2),) * 2,))
        write_content(file, "small", Content(np.arange(2), ("ant", "bee")), parts)
    assert winner.shown_bands(tmp_path) == images.BANDS
    write_json(tmp_path / "config.json", {"report": {"bands": [4, 1, 0]}})
    assert winner.shown_bands(tmp_path) == [4, 1, 0]
    write_json(tmp_path / "config.json", {"report": {"bands": [5, 1, 0]}})
    with pytest.raises(UserError, match=r"report\.bands' is \[5, 1, 0\], .* from 0 to 4"):
        winner.shown_bands(tmp_path)


def small_data(path: Path, labels: list[int], pairs: np.ndarray | None = None) -> Path:
    """Images ``i`` of brightness ``10 i``, all of them to be judged on."""
    rows = np.arange(len(labels))
    with h5py.File(path, "w") as file:
        gray = 10 * np.arange(12, dtype="uint8")
        ImageWriter(file).append(np.broadcast_to(gray[:, None, None, None], (12, 1, 16, 16)))
        chosen = Splits(rows, rows, ((rows, rows),))
        classes = ("ant", "bee", "cat")
        write_content(file, "small", Content(np.array(labels), classes, pairs=pairs), chosen)
    return path


def test_mistakes_are_sorted_by_margin(tmp_path: Path) -> None:
    data, scores = small_data(tmp_path / "data.h5", [0, 1, 0, 2]), tmp_path / "scores.npz"
    decision = np.array([[1.0, 0.5], [2.0, 1.5], [-3.0, 1.0], [0.5, -1.0]])
    # no training example is a cat: it cannot be recognised, at worst as the last choice
    np.savez(scores, **{"decision/0": decision, "classes/0": np.array([0, 1])})
    facts = misclassified.worst(scores, data)
    assert (facts["count"], facts["examples"]) == (3, 4)
    assert [(e["true"], e["predicted"], e["margin"]) for e in facts["shown"]] == [
        ("ant", "bee", -4.0),
        ("cat", "ant", -1.5),
        ("bee", "ant", -0.5),
    ]
    (picture,) = facts["shown"][0]["pictures"]
    assert (pixels(picture) == 20).all()


def test_misclassified_pair_shows_both_images(tmp_path: Path) -> None:
    pairs = np.array([[3, 4], [11, 5]])
    data, scores = small_data(tmp_path / "data.h5", [1, 1], pairs), tmp_path / "scores.npz"
    np.savez(scores, **{"decision/0": np.array([[-1, 1], [1, -1]]), "classes/0": np.arange(2)})
    (shown,) = misclassified.worst(scores, data)["shown"]
    assert [pixels(picture)[0, 0, 0] for picture in shown["pictures"]] == [110, 50]


def test_confusion_is_a_table_for_few_classes_and_a_list_for_many() -> None:
    facts = confusion.table([[8, 2], [0, 5]], ["a", "b"])
    assert [[cell["share"] for cell in row["cells"]] for row in facts["rows"]] == [
        [0.8, 0.2],
        [0, 1],
    ]
    counts = 30 * np.eye(25, dtype=int)
    counts[3, 7], counts[9, 1] = 2, 6
    facts = confusion.table(counts.tolist(), [f"c{i}" for i in range(25)])
    found = [(each["true"], each["predicted"], each["count"]) for each in facts["confused"]]
    assert found == [("c9", "c1", 6), ("c3", "c7", 2)]
    opacity = pixels(facts["picture"])[..., -1]
    side = len(opacity) // 25
    assert opacity[9 * side, side] > opacity[3 * side, 7 * side] > opacity[0, 0] == 0


def test_maps_equal_the_extracted_features(finished: Path) -> None:
    (facts,) = winner.collect(finished)
    with h5py.File(finished / "data.h5") as data:
        first = int(data["train"][0:].min())
    with features.opened(finished / "winners/1/features.h5") as file:
        row = file["features"][np.searchsorted(file["rows"][()], first)]
    (stage,) = facts["maps"]["stages"]
    assert stage["title"] == "Layer 1: 200 maps of 2×2"
    extremes = f"values {diagram.number(row.min())} to {diagram.number(row.max())}"
    assert stage["note"].endswith(extremes)
    (bank,) = facts["filters"]
    assert bank["title"] == "Layer 1: 100 filters of 5×5"


def test_report_is_one_file_with_all_figures_of_the_winner(finished: Path) -> None:
    report_verb(finished, importance=finished / "importance.csv")
    page = (finished / "report.html").read_text()
    for figure in FIGURES:
        assert page.count(f'class="{figure}"') == 1
    assert 'id="winner-1"' in page
    assert 'id="winner-2"' not in page
    assert "Linear SVM" in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    header = (finished / "importance.csv").read_text().splitlines()[0]
    assert header.startswith("label,importance,")


def test_winner_with_an_evaluation_of_another_trial_is_left_out(copied: Path) -> None:
    write_json(copied / "winners/1/trial.json", document(5, CANDIDATE | TURNED))
    assert winner.collect(copied) == []


def test_report_without_final_evaluation_has_no_winners(copied: Path) -> None:
    (copied / "final_evaluation.json").unlink()
    report.write(copied, copied / "page.html")
    assert 'class="winner"' not in (copied / "page.html").read_text()


def test_filters_missing_from_the_cache_are_replaced_by_a_note(copied: Path) -> None:
    shutil.rmtree(copied / "cache")
    with h5py.File(copied / "winners/1/features.h5", "r+") as file:
        file.attrs["entry"] = str(copied / "cache" / Path(file.attrs["entry"]).name)
    report.write(copied, copied / "page.html")
    page = (copied / "page.html").read_text()
    assert "no longer holds" in page
    assert 'class="mistakes"' in page


def test_provenance_has_ends_of_paths_that_may_be_private(copied: Path) -> None:
    mine = {"experiment": "a", "data": {"name": "folder", "path": "/home/me/photos"}}
    write_json(copied / "config.json", to_json(resolve(mine)))
    ended = read_json(copied / "search.json")
    ended["search"] |= {"start_from": "/home/me/results/first/trials.jsonl", "start_from_best": 3}
    write_json(copied / "search.json", ended)
    found = provenance.collect(copied, trials.read(copied / "trials.jsonl"))
    facts = found["Search"]
    assert (facts["start from"], facts["start from best"]) == ("first/trials.jsonl", "3")
    assert found["Data"]["path"] == "me/photos"


def test_provenance_has_settings_machine_data_and_versions(finished: Path) -> None:
    facts = provenance.collect(finished, trials.read(finished / "trials.jsonl"))
    assert facts["Search"]["algorithm"] == "tpe"
    assert facts["Search"]["reason for the end"] == "enough"
    assert facts["Model"]["n patches"] == f"{MODEL.n_patches:,}"
    assert "target loss" not in facts["Search"]
    assert not [name for name in facts["Search"] if name.startswith("start from")]
    assert facts["Search"]["evaluation time"].startswith("1.0 hours")
    assert facts["Search"]["start of the first trial"] == "2026-01-01 10:01 UTC"
    assert facts["Machine"]["trials computed on"] == "node7"
    assert facts["Data"]["examples"] == "899 training, 449 validation, 449 test"
    with h5py.File(finished / "data.h5") as data:
        assert facts["Data"]["checksum"] == data.attrs["checksum"]
    assert {"hpconv", "Python", "numpy"} <= facts["Software"].keys()
    assert str(finished) not in str(facts)


def test_provenance_without_trials_has_software_only(tmp_path: Path) -> None:
    facts = provenance.collect(tmp_path, [])
    assert facts["Search"] == facts["Data"] == {}
    assert facts["Software"]["Python"]


def test_dashboard_counts_winners_that_are_retrained_and_then_shows_them(copied: Path) -> None:
    final = (copied / "final_evaluation.json").rename(copied / "later.json")
    with served(copied) as server:
        assert json.loads(ask(server, "payload.json").body)["retrained"] == [1, 2]
        assert b'id="winner-1"' not in ask(server, "").body
        final.rename(copied / "final_evaluation.json")
        assert b'id="winner-1"' in ask(server, "").body


def test_mistakes_name_files_of_own_images(copied: Path) -> None:
    with h5py.File(copied / "data.h5", "r+") as file:
        names = [f"/home/me/photos/six/{row}.png" for row in range(len(file["images"]))]
        file["names"] = np.array(names, h5py.string_dtype())
    shown = misclassified.worst(copied / "winners/1/scores.npz", copied / "data.h5")["shown"]
    assert shown
    for mistake in shown:
        assert re.fullmatch(r"photos/six/\d+\.png", *mistake["files"])


def test_contact_sheet_has_examples_of_each_class_and_part(copied: Path, tmp_path: Path) -> None:
    with DataFile(copied / "data.h5") as data:
        counts = [len(part) for part in contact_sheet.parts(data).values()]
    sheet = contact_sheet.sheet(copied / "data.h5", images.BANDS)
    cells = [row["cells"] for row in sheet["rows"]]
    assert [sum(row[part]["examples"] for row in cells) for part in range(3)] == counts
    assert all(cell["picture"] for row in cells for cell in row)
    contact_sheet.write(copied / "data.h5", tmp_path / "sheet.png", images.BANDS)
    assert Image.open(tmp_path / "sheet.png").height > 10 * images.STRIP
