"""Importance in conditional spaces of which the truth is known."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

from hpconv.report import importance as module
from hpconv.report.importance import importance, write_csv
from hpconv.trials import Trial

Labels = list[dict[str, Any]]


def label(name: str, log: bool = False, **condition: list[int]) -> dict[str, Any]:
    return {"label": name, "log": log, "condition": condition}


LABELS = [
    label("kind"),
    *(label(f"left_{i}", kind=[0]) for i in range(3)),
    *(label(f"right_{i}", kind=[1]) for i in range(3)),
    label("width"),
    label("penalty", log=True),
]


def draw(rng: np.random.Generator) -> dict[str, float]:
    """A trial's hyperparameters: two branches of three under a choice, and two at the root."""
    kind = int(rng.integers(2))
    branch = {f"{('left', 'right')[kind]}_{i}": rng.uniform() for i in range(3)}
    return {"kind": kind, **branch, "width": rng.uniform(), "penalty": np.exp(rng.normal(0, 5))}


def history(loss: Any, count: int = 150, noise: float = 0.1) -> list[Trial]:
    """Trials whose loss is a function of their hyperparameters, and noise."""
    rng = np.random.default_rng(0)
    drawn = [draw(rng) for _ in range(count)]
    return [
        {
            "tid": tid,
            "misc": {"vals": {name: [value] for name, value in values.items()}},
            "result": {"loss": float(loss(values) + noise * rng.normal())},
        }
        for tid, values in enumerate(drawn)
    ]


def shares(trials: list[Trial], labels: Labels = LABELS) -> dict[str, float]:
    found = importance(trials, labels)
    assert found is not None
    return {row["label"]: row["importance"] for row in found["rows"]}


def test_importance_is_proportional_to_explained_variance() -> None:
    found = shares(history(lambda values: 3 * values["width"] - np.log(values["penalty"]) / 10))
    assert list(found)[:2] == ["width", "penalty"]
    assert found["width"] / found["penalty"] == pytest.approx(3, abs=1)  # 9/12 to 25/100
    assert sum(list(found.values())[2:]) < 0.05


def test_hyperparameter_of_one_branch_is_important_and_its_choice_is_not() -> None:
    found = shares(history(lambda values: 2 * abs(values.get("left_1", 0.25) - 0.5)))
    assert next(iter(found)) == "left_1"
    assert found["kind"] < 0.2 * found["left_1"]


def test_choice_is_important_although_values_below_reveal_its_option() -> None:
    found = shares(history(lambda values: values["kind"]))
    assert found["kind"] > 0.7
    assert sum(found.values()) - found["kind"] < 0.05


def test_noise_has_no_importance() -> None:
    found = importance(history(lambda values: 0.0), LABELS)
    assert found is not None
    assert max(row["importance"] for row in found["rows"]) < 0.05
    assert found["explained"] < 0.1
    assert "explains 0% of its variance" in found["method"]


def test_importance_does_not_change_under_monotone_transformation_of_errors() -> None:
    trials = history(lambda values: values["width"], 60)
    skewed = history(lambda values: values["width"], 60)
    for trial in skewed:
        trial["result"]["loss"] = float(np.exp(10 * trial["result"]["loss"]))
    assert shares(skewed) == shares(trials)


def test_rarely_active_hyperparameters_are_left_out_with_a_note() -> None:
    trials = history(lambda values: values["width"], 60)
    for trial in trials[9:]:
        trial["misc"]["vals"].pop("left_2", None)
    found = importance(trials, [*LABELS, label("never", kind=[7])])
    assert found is not None
    assert {row["label"] for row in found["rows"]} == {row["label"] for row in LABELS} - {"left_2"}
    assert "2 that are active in fewer than 10" in found["method"]


def test_hyperparameter_that_no_held_out_trial_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 1)
    trials = history(lambda values: values["width"])
    kept, _ = next(KFold(module.FOLDS, shuffle=True, random_state=0).split(trials))
    for number in kept[: module.MIN_ACTIVE]:
        trials[number]["misc"]["vals"]["rare"] = [float(number)]
    assert shares(trials, [*LABELS, label("rare")])["rare"] < 0.05


def test_too_few_trials_give_no_importance() -> None:
    trials = history(lambda values: values["width"], 30)
    for trial in trials[19:]:
        trial["result"] = {"status": "fail"}
    assert importance(trials, LABELS) is None
    assert importance([], LABELS) is None


def test_equal_errors_give_no_importance() -> None:
    assert importance(history(lambda values: 0.5, noise=0.0), LABELS) is None


def test_importance_is_deterministic() -> None:
    trials = history(lambda values: values["width"], 20)
    assert importance(trials, LABELS) == importance(trials, LABELS)


def test_importance_is_written_as_csv(tmp_path: Path) -> None:
    found = importance(history(lambda values: values["width"], 60), LABELS)
    assert found is not None
    write_csv(found["rows"], tmp_path / "importance.csv")
    with (tmp_path / "importance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["label"] == "width"
    assert float(rows[0]["importance"]) == found["rows"][0]["importance"]
    assert list(rows[0]) == ["label", "importance", "deviation", "n"]
