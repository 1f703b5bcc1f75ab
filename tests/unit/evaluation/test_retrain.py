"""The final evaluation: of one trial, of an ensemble, of pixels; on one fold and on several."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpconv import features
from hpconv.config import to_json, with_model_of
from hpconv.datasets import splits
from hpconv.datasets.data_file import DataFile, Splits
from hpconv.datasets.data_writer import Content, ImageWriter, write_content
from hpconv.errors import UserError
from hpconv.evaluation import retrain, select, statistics, summary
from hpconv.evaluation.records import FinalEvaluation
from hpconv.features.cache import fill
from hpconv.features.cache.entry import entries
from hpconv.files import read_json, write_json
from hpconv.model.pipeline import describe
from tests.unit.objective.test_objective import CANDIDATE, MODEL

DIGITS = tuple("0123456789")
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


def evaluated(data: Path, folder: Path, doc: dict[str, Any], seeds: int = 1) -> dict[str, Any]:
    write_json(folder / "trial.json", doc)
    shown, record, cache = folder / "features.h5", folder / "evaluation.json", folder / "cache"
    features.extract(doc, data, MODEL, shown, cache=cache)
    options = {"output": record, "scores": folder / "scores.npz", "seeds": seeds, "cache": cache}
    options["fitted"] = folder / "classifier.npz"
    retrain.retrain(folder / "trial.json", data, shown, MODEL, **options, memory_mb=1024)
    return read_json(record)


@pytest.fixture(scope="module")
def finals(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two evaluated winners."""
    folder = tmp_path_factory.mktemp("finals")
    retrain.baseline(digits, folder / "baseline.json")
    for rank, doc in enumerate([trial(7, CANDIDATE), trial(5, OTHER)], start=1):
        evaluated(digits, folder / f"winners/{rank}", doc)
    return folder


def test_winner_is_tested_on_every_fold(digits: Path, labels: np.ndarray, tmp_path: Path) -> None:
    repeated = splits.repeated_random(labels, n_folds=3, test=0.1, seed=0)
    content = Content(labels, DIGITS)
    data = rewritten(digits, tmp_path / "folds.h5", content, repeated)
    record = evaluated(data, tmp_path, trial(0, CANDIDATE))
    assert len(record["test_errors"]) == 3
    assert record["test_error"] == pytest.approx(np.mean(record["test_errors"]))
    assert record["test_error"] < 0.04
    low, high = record["interval"]
    assert 0 <= low < record["test_error"] < high
    assert record["standard_error"] == pytest.approx(np.std(record["test_errors"], ddof=1) / 3**0.5)
    confusion = np.array(record["confusion"])
    assert confusion.sum() == sum(len(tested) for _, tested in repeated.folds)
    wrong = [
        e * len(tested)
        for e, (_, tested) in zip(record["test_errors"], repeated.folds, strict=True)
    ]
    assert confusion.sum() - np.trace(confusion) == pytest.approx(sum(wrong))


def test_first_seed_keeps_the_filters_and_others_draw_new_ones(
    digits: Path, finals: Path, tmp_path: Path
) -> None:
    alone = read_json(finals / "winners/2/evaluation.json")
    assert alone["seed_deviation"] is None
    record = evaluated(digits, tmp_path, trial(5, OTHER), seeds=2)
    first, second = record["test_errors"]
    assert first == alone["test_error"]
    assert record["test_error"] == pytest.approx((first + second) / 2)
    assert record["seed_deviation"] == pytest.approx(abs(first - second) / 2**0.5)
    assert record["hyperparameters"] == alone["hyperparameters"]
    assert len(list((tmp_path / "cache").glob("*/entry.json"))) == 2


def test_interval_of_one_fold_is_wilsons() -> None:
    assert statistics.interval(np.array([0.0]), 10) == pytest.approx([0, 0.27753], abs=1e-5)
    assert statistics.interval(np.array([0.5]), 10) == pytest.approx([0.23659, 0.76341], abs=1e-5)


def test_baseline_selection_does_not_use_test_labels(
    digits: Path, labels: np.ndarray, finals: Path, tmp_path: Path
) -> None:
    parts = splits.stratified(labels, 0.25, 0.25, seed=0)
    (_, tested), *_ = parts.folds
    wrong = labels.copy()
    wrong[tested] = (labels[tested] + 1) % 10
    shifted = rewritten(digits, tmp_path / "shifted.h5", Content(wrong, DIGITS), parts)
    retrain.baseline(shifted, tmp_path / "false.json")
    true, false = read_json(finals / "baseline.json"), read_json(tmp_path / "false.json")
    chosen = ("method", "validation_error")
    assert [true[key] for key in chosen] == [false[key] for key in chosen]
    assert false["test_error"] > 0.9 > true["test_error"]


def summarised(data: Path, folder: Path) -> dict[str, Any]:
    evaluations = [folder / f"winners/{rank}/evaluation.json" for rank in (1, 2, 3)]
    output = folder / "final.json"
    summary.write_summary(data, folder / "baseline.json", evaluations, output=output)
    return read_json(output)


def test_winners_combined_are_one_more_entry(digits: Path, finals: Path) -> None:
    *winners, average = summarised(digits, finals)["winners"]
    assert [winner["rank"] for winner in winners] == [1, 2]
    assert (average["rank"], average["members"]) == ("average", [7, 5])
    assert average["test_error"] <= max(winner["test_error"] for winner in winners)
    assert np.sum(average["confusion"]) == np.sum(winners[0]["confusion"])


def test_variants_of_winners_are_entries_beside_them(
    digits: Path, finals: Path, tmp_path: Path
) -> None:
    shutil.copytree(finals, tmp_path, dirs_exist_ok=True)
    best, other = trial(7, CANDIDATE), trial(5, OTHER, loss=0.04)
    best["misc"]["model"] = to_json(MODEL)
    history = tmp_path / "trials.jsonl"
    history.write_text("".join(json.dumps(doc) + "\n" for doc in (best, other)))
    options = {"max_n_features": 2 * MODEL.max_n_features, "flips": True}
    select.write(history, 1, [], table=tmp_path / "t.tsv", folder=tmp_path / "winners", **options)
    for name in ("more_filters", "flips"):
        evaluate(digits, tmp_path / f"winners/1/{name}/trial.json", tmp_path / "cache")
    output = tmp_path / "final.json"
    summary.write_summary(
        digits,
        tmp_path / "baseline.json",
        [tmp_path / f"winners/{rank}/evaluation.json" for rank in (1, 2)],
        output=output,
        variants=["more_filters", "flips"],
    )
    final = read_json(output, FinalEvaluation)
    (more,), (flips,) = final["variants"]["more_filters"], final["variants"]["flips"]
    (plain, *_) = final["winners"]
    assert [each["rank"] for each in (plain, more, flips)] == [1, 1, 1]
    assert more["feature_shape"] == flips["feature_shape"] > plain["feature_shape"]
    assert len({tuple(map(tuple, each["confusion"])) for each in (plain, more, flips)}) == 3
    assert [each["reason"].split(",")[0] for each in final["missing"]] == [
        *("with more_filters", "with flips")
    ]


def test_mirror_images_have_features_of_the_same_filters(digits: Path, tmp_path: Path) -> None:
    doc = trial(0, CANDIDATE)
    doc["misc"]["flips"] = True
    path = tmp_path / "features.h5"
    features.extract(doc, digits, MODEL, path, cache=tmp_path / "cache")
    with DataFile(digits) as data, features.opened(path) as file:
        images, count = data.images[:50], len(file["rows"])
        assert len(file["features"]) == 2 * count
        original, mirrored = file["features"][:50], file["features"][count : count + 50]
    (banks, others) = (
        fill.read_banks(h5py.File(entry.filters)) for entry in entries(tmp_path / "cache")
    )
    np.testing.assert_array_equal(banks[0].filters, others[0].filters)
    pipeline = describe(CANDIDATE, images.shape[1:], MODEL)
    extractor = fill.with_banks(pipeline, banks, MODEL)
    assert extractor.transform(images) == pytest.approx(original)
    assert extractor.transform(images[..., ::-1]) == pytest.approx(mirrored)


def test_winner_combined_with_itself_makes_the_same_decisions(digits: Path, finals: Path) -> None:
    alone = read_json(finals / "winners/1/evaluation.json")
    twice = summary.average(digits, [finals / "winners/1/scores.npz"] * 2)
    assert twice["confusion"] == alone["confusion"]


def test_missing_winner_is_listed_with_the_reason(digits: Path, finals: Path) -> None:
    assert summarised(digits, finals)["missing"] == [{"rank": 3, "reason": "it was not evaluated"}]


def evaluate(data: Path, trial_path: Path, cache: Path, memory_mb: int = 1024) -> dict[str, Any]:
    """The evaluation of a trial by the two steps of the workflow."""
    folder = trial_path.parent
    extracted, output = folder / "features.h5", folder / "evaluation.json"
    trial = read_json(trial_path)
    model = with_model_of(trial, MODEL) if "model" in trial["misc"] else MODEL
    retrain.extract_features(trial_path, data, model, output=extracted, cache=cache)
    retrain.retrain(
        *(trial_path, data, extracted, model),
        output=output,
        scores=folder / "scores.npz",
        fitted=folder / "classifier.npz",
        seeds=1,
        cache=cache,
        memory_mb=memory_mb,
    )
    return read_json(output)


def test_refused_pipeline_is_recorded_as_failure_and_marked_for_retry(
    digits: Path, finals: Path, tmp_path: Path
) -> None:
    shutil.copytree(finals, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "winners/3/trial.json"
    write_json(path, trial(3, CANDIDATE | {"l0eg_fsize": 99.0}))
    failed = evaluate(digits, path, tmp_path / "cache")
    assert failed["tid"] == 3
    assert failed["failure"]["kind"] == "map_too_small"
    (missing,) = summarised(digits, tmp_path)["missing"]
    assert missing["reason"].startswith("map_too_small: ")
    marker = path.with_name("last_failure.json")
    assert read_json(marker) == failed["failure"]
    assert marker.stat().st_mtime > path.with_name("evaluation.json").stat().st_mtime
    with (
        pytest.raises(UserError, match="has no features: "),
        features.opened(path.with_name("features.h5")),
    ):
        pass


def test_unexpected_error_is_recorded_as_failure_with_its_traceback_in_the_log(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any, **options: Any) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(retrain, "refit_and_test", broken)
    write_json(tmp_path / "trial.json", trial(3, CANDIDATE))
    failed = evaluate(digits, tmp_path / "trial.json", tmp_path / "cache")
    expected = {"kind": "error", "reason": "ZeroDivisionError: nothing to divide by"}
    assert failed["failure"] == expected
    assert "Traceback" in caplog.text


def test_evaluation_of_another_trial_is_ignored(digits: Path, finals: Path, tmp_path: Path) -> None:
    shutil.copytree(finals, tmp_path, dirs_exist_ok=True)
    write_json(tmp_path / "winners/2/trial.json", trial(9, OTHER))
    found = summarised(digits, tmp_path)
    assert [entry["tid"] for entry in found["winners"]] == [7]
    assert found["missing"][0] == {"rank": 2, "reason": "it was not evaluated"}


def test_failed_evaluation_is_a_missing_winner_with_its_reason(
    digits: Path, finals: Path, tmp_path: Path
) -> None:
    shutil.copytree(finals, tmp_path, dirs_exist_ok=True)
    evaluation = read_json(tmp_path / "winners/2/evaluation.json")
    failure = {"kind": "too_many_features", "reason": "9 GiB of features"}
    failed = {key: evaluation[key] for key in ("tid", "hyperparameters")} | {"failure": failure}
    write_json(tmp_path / "winners/2/evaluation.json", failed)
    found = summarised(digits, tmp_path)
    assert [entry["tid"] for entry in found["winners"]] == [7]
    assert found["missing"][0] == {"rank": 2, "reason": "too_many_features: 9 GiB of features"}


def test_interval_of_equal_folds_has_no_width() -> None:
    assert statistics.interval(np.array([0.25, 0.25]), 10) == [0.25, 0.25]


def test_ensemble_is_fitted_member_by_member(digits: Path, tmp_path: Path) -> None:
    first = trial(0, CANDIDATE, own_error=0.03)
    second = trial(1, OTHER, own_error=0.04, ensemble_error=0.01)
    second["misc"]["boosting"] = {"continues": 0, "members": [0], "bagging_fraction": 0.5}
    worse = trial(2, OTHER, own_error=0.05, ensemble_error=0.05)
    history = tmp_path / "trials.jsonl"
    history.write_text("".join(json.dumps(doc) + "\n" for doc in (first, second, worse)))
    output = tmp_path / "ensemble.json"
    options = {"folder": tmp_path / "members", "output": output, "cache": tmp_path / "cache"}
    retrain.ensemble(history, digits, MODEL, **options, memory_mb=1024)
    record = read_json(output)
    assert record["members"] == [0, 1]
    assert record["validation_error"] == 0.01
    alone = evaluated(digits, tmp_path, first)
    assert record["test_error"] <= alone["test_error"]
    assert record["confusion"] != alone["confusion"]


def test_fraction_extracts_features_of_its_images_only(
    digits: Path, labels: np.ndarray, tmp_path: Path
) -> None:
    few = splits.subsample(splits.stratified(labels, 0.25, 0.25, seed=0), labels, 0.2, seed=0)
    data = rewritten(digits, tmp_path / "few.h5", Content(labels, DIGITS), few)
    record = evaluated(data, tmp_path, trial(0, CANDIDATE))
    with h5py.File(tmp_path / "features.h5") as file:
        assert 300 < len(file["features"]) == len(file["rows"]) < 400
    assert np.sum(record["confusion"]) == len(few.folds[0][1])


def test_pairs_of_images_are_tested(digits: Path, labels: np.ndarray, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).permutation(1797)
    left, right = rows[:600], rows[600:1200]
    for label in range(10):  # half of the pairs show the same digit
        ours = np.flatnonzero(labels[left[:300]] == label)
        same = rows[1200:][labels[rows[1200:]] == label]
        right[ours] = same[np.arange(len(ours)) % len(same)]
    pairs = np.stack([left, right], axis=1)
    same = (labels[left] == labels[right]).astype(int)
    parts = splits.stratified(same, 0.25, 0.25, seed=0)
    content = Content(same, ("different", "same"), pairs=pairs)
    data = rewritten(digits, tmp_path / "pairs.h5", content, parts)
    retrain.baseline(data, tmp_path / "baseline.json")
    assert read_json(tmp_path / "baseline.json")["test_error"] < 0.4
    chosen = {"c": 1.0, "weights": {"mult": 1.0, "absdiff": 1.0, "sqrtabsdiff": 1.0, "sqdiff": 1.0}}
    record = evaluated(data, tmp_path, trial(0, CANDIDATE, chosen=chosen))
    assert record["test_error"] < 0.35
    assert np.array(record["confusion"]).shape == (2, 2)
