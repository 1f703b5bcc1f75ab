"""Selection of winners by validation error alone, each pipeline once."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hpconv.errors import UserError
from hpconv.evaluation import select
from hpconv.evaluation.records import Recheck
from hpconv.files import read_json
from hpconv.trials import Trial, hyperparameters
from tests.unit.objective.test_objective import CANDIDATE


def trial(tid: int, loss: float | None, changed: dict[str, Any], **result: Any) -> Trial:
    vals = {label: [value] for label, value in (CANDIDATE | changed).items()}
    result |= {"status": "fail"} if loss is None else {"status": "ok", "loss": loss}
    dates = {"refresh_time": None, "owner": None}
    return {"tid": tid, "state": 2, "misc": {"vals": vals}, "result": result, **dates}


HISTORY = [
    trial(0, 0.05, {"l0eg_fsize": 3.0}),
    trial(1, 0.02, {}),
    trial(2, 0.01, {"l0eg_l2_reg": 1e-2, "l0eg_varthresh": 1e-3}),
    trial(3, 0.03, {"l0eg_remove_std0": 0, "l0eg_divrowl2": 0}),
    trial(4, 0.03, {"l0eg_fbncc_remove_mean": 0}),
    trial(5, None, {"l0eg_fsize": 99.0}),
    trial(6, 0.005, {"l0eg_fsize": 7.0}, stopped_at=0.1),
]


def test_trials_with_one_pipeline_give_one_winner() -> None:
    assert [winner["tid"] for winner in select.choose(HISTORY, 3, {})] == [2, 4, 0]


def test_smaller_count_gives_the_first_winners() -> None:
    assert select.choose(HISTORY, 2, {}) == select.choose(HISTORY, 3, {})[:2]


def test_test_error_of_a_trial_is_not_used() -> None:
    history = [trial(0, 0.2, {}, true_loss=0.0), trial(1, 0.1, {"l0eg_fsize": 3.0}, true_loss=1.0)]
    assert [winner["tid"] for winner in select.choose(history, 2, {})] == [1, 0]


def test_a_stopped_trial_is_never_the_best() -> None:
    assert select.best_ensemble(HISTORY) == [2]


def test_too_few_different_pipelines_are_a_user_error() -> None:
    with pytest.raises(UserError, match="'evaluation.winners' is 4, .* 5 of 7 .* write 3 or less"):
        select.choose(HISTORY, 4, {})


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """The trials above in a file."""
    path = tmp_path / "trials.jsonl"
    path.write_text("".join(json.dumps(trial) + "\n" for trial in HISTORY))
    return path


def test_rechecked_candidates_are_ranked_by_their_mean_error(history: Path, tmp_path: Path) -> None:
    rechecks = [recheck(2, 0.06, 0.02), recheck(4, 0.03, 0.01)]
    select.write(history, 3, rechecks, table=tmp_path / "best.tsv", folder=tmp_path / "winners")
    winners = [read_json(tmp_path / f"winners/{rank}/trial.json")["tid"] for rank in (1, 2, 3)]
    assert winners == [4, 2, 0]
    with (tmp_path / "best.tsv").open() as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert [row["tid"] for row in rows] == ["4", "2", "1", "3", "0"]
    assert [row["recheck_mean"] for row in rows] == ["0.03", "0.06", "", "", ""]
    assert rows[0]["recheck_deviation"] == "0.01"


def recheck(tid: int, mean: float, deviation: float) -> Recheck:
    return {"tid": tid, "errors": [mean], "mean": mean, "deviation": deviation}


def test_winners_get_folders_and_the_table_has_all_trials(history: Path, tmp_path: Path) -> None:
    select.write(history, 2, [], table=tmp_path / "best.tsv", folder=tmp_path / "winners")
    assert read_json(tmp_path / "winners/1/trial.json") == HISTORY[2]
    assert not (tmp_path / "winners/3").exists()
    rows = (tmp_path / "best.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["tid", "2", "1", "3", "4", "0"]


def test_new_seed_changes_the_random_filters_only() -> None:
    own = trial(0, 0.1, {"l0eg_fbncc_wp_rseed": 9}, trace={"parts": []})
    other = select.with_new_random_filters(own, 3)
    before, after = hyperparameters(own), hyperparameters(other)
    changed = {
        label: (before[label], after[label]) for label in before if before[label] != after[label]
    }
    assert changed == {"l0eg_fbncc_wp_rseed": (9, 2), "l0eg_fbncc_patch_rseed": (0, 3)}
    assert other["result"] == {"status": "ok", "loss": 0.1}
    assert own["result"]["trace"] == {"parts": []}
