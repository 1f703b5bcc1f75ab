"""Trials of another search as first candidates: taken by value, or left out with a reason."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hyperopt import Trials, rand
from hyperopt.base import Domain

from hpconv.config import ModelSettings
from hpconv.errors import UserError
from hpconv.model.space import search_space
from hpconv.model.start_from import first_candidates, read
from hpconv.trials import Trial, hyperparameters

MODEL = ModelSettings(output_sizes=(32, 64), max_layer_sizes=(64, 128))
DOMAIN = Domain(lambda assignment: 0.0, search_space(MODEL.output_sizes, MODEL.max_layer_sizes))
SEEDS = range(200)


def drawn(seed: int, **result: Any) -> Trial:
    (doc,) = rand.suggest([seed], DOMAIN, Trials(), seed)
    vals = {label: [v.item() for v in values] for label, values in doc["misc"]["vals"].items()}
    model = {"output_sizes": list(MODEL.output_sizes), "max_layer_sizes": [64, 128]}
    misc = {"tid": seed, "idxs": {}, "vals": vals, "model": model}
    outcome = result or {"status": "ok", "loss": 0.5}
    return {"tid": seed, "misc": misc, "result": outcome}  # type: ignore[typeddict-item]


HISTORY = [drawn(seed) for seed in SEEDS]


def feasible(values: dict[str, Any]) -> bool:
    return True


def taken_by(model: ModelSettings) -> tuple[list[dict[str, Any]], Counter[str]]:
    return first_candidates(HISTORY, len(HISTORY), model=model, is_feasible=feasible)


def test_every_trial_of_the_same_space_is_taken_unchanged() -> None:
    taken, left_out = taken_by(MODEL)
    assert taken == [hyperparameters(trial) for trial in HISTORY]
    assert not left_out


def test_image_size_is_mapped_by_value() -> None:
    taken, left_out = taken_by(replace(MODEL, output_sizes=(16, 64, 32)))
    mapped = {0: 2, 1: 1}
    before = [hyperparameters(trial) for trial in HISTORY]
    assert taken == [values | {"warp_osize": mapped[values["warp_osize"]]} for values in before]
    assert not left_out


def test_trials_outside_the_new_space_are_left_out_with_the_label() -> None:
    before = [hyperparameters(trial) for trial in HISTORY]
    taken, left_out = taken_by(replace(MODEL, output_sizes=(64,), max_layer_sizes=(32,)))
    shallow = [values for values in before if values["exit"] < 6]
    narrow = [values for values in shallow if values.get("l0fb_nfilters", 0) <= 32]
    kept = [values | {"warp_osize": 0} for values in narrow if values["warp_osize"] == 1]
    assert taken == kept
    assert 0 < len(kept) < len(narrow) < len(shallow) < len(before)
    assert left_out.total() == len(before) - len(kept)
    assert left_out["exit outside the search space"] == len(before) - len(shallow)
    assert set(left_out) == {
        f"{label} outside the search space" for label in ("exit", "l0fb_nfilters", "warp_osize")
    }


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("warp", []),  # missing
        ("warp", [2]),  # no such option
        ("l1fb_size", [9.0]),
        ("l1fb_size", [4.5]),
        ("l1fb_nfilters", [144.0]),
        ("l1fb_nfilters", [24.0]),
        ("warp_rot", [0.31]),
        ("l9fb_size", [4.0]),  # not in this space
    ],
)
def test_invalid_value_is_left_out(label: str, values: list[float]) -> None:
    trial = next(
        trial
        for trial in HISTORY
        if {"warp_rot", "l1fb_size", "l1fb_nfilters"} <= set(hyperparameters(trial))
    )
    vals = trial["misc"]["vals"] | {label: values}
    broken: Trial = {**trial, "misc": {**trial["misc"], "vals": vals}}
    taken, left_out = first_candidates([broken], 1, model=MODEL, is_feasible=feasible)
    assert not taken
    assert left_out == {f"{label} outside the search space": 1}


def test_trial_without_recorded_model_is_left_out() -> None:
    nameless = drawn(0)
    del nameless["misc"]["model"]
    _, left_out = first_candidates([nameless], 1, model=MODEL, is_feasible=feasible)
    assert left_out == {"warp_osize outside the search space": 1}


def test_next_best_trial_replaces_an_infeasible_one() -> None:
    refused = [hyperparameters(trial) for trial in HISTORY[:2]]
    taken, left_out = first_candidates(
        HISTORY, 3, model=MODEL, is_feasible=lambda values: values not in refused
    )
    assert taken == [hyperparameters(trial) for trial in HISTORY[2:5]]
    assert left_out == {"cannot be built or needs too much memory": 2}


def write(path: Path, history: list[Trial]) -> Path:
    path.write_text("".join(json.dumps(trial) + "\n" for trial in history))
    return path


def test_best_trial_of_each_pipeline_is_read_best_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse, best, again = (drawn(s, status="ok", loss=e) for s, e in ((0, 0.4), (1, 0.2), (1, 0.3)))
    again["tid"] = 2
    label = next(name for name, v in again["misc"]["vals"].items() if v and "_l2_reg" in name)
    again["misc"]["vals"][label] = [0.25]
    write(tmp_path / "trials.jsonl", [worse, best, again, drawn(3, status="fail")])
    monkeypatch.setenv("HOME", str(tmp_path))
    found = read(Path("~/trials.jsonl"))
    assert [trial["tid"] for trial in found] == [best["tid"], worse["tid"]]
    assert list(map(hyperparameters, found)) == list(map(hyperparameters, (best, worse)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"{a: 1}\n", "is not a file of trials"),
        (b"\x89HDF\n", "is not a file of trials"),
        (b"3\n", "is not a file of trials"),
        (b'{"tid": 1, "result": {"loss": 0.1}}\n', "is not a file of trials"),
        (b'{"tid": 1, "result": {}}\n', "is not a file of trials .*line 1 .*: Field required"),
        (
            b'{"tid": 1, "misc": {"vals": {}}, "result": {"status": "fail"}}\n',
            "has no trial that succeeded",
        ),
        (b"", "has no trial that succeeded"),
    ],
)
def test_invalid_file_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "trials.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"'search.start_from' is '{path}', which {reason}") as got:
        read(path)
    assert str(got.value).endswith("such as results/<experiment>/trials.jsonl, or null")
    assert "\n" not in str(got.value)
