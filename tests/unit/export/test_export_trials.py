"""``hpconv export --trials``: the history of a search for Optuna, spreadsheets and data frames."""

import csv
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest
from pyarrow import parquet

from hpconv.cli.export import export
from hpconv.errors import UserError
from hpconv.export import optuna_study, trials
from hpconv.files import write_json
from hpconv.model.space import search_space
from hpconv.model.space_table import table
from hpconv.trials import Trial, ensemble_error, hyperparameters, table_row
from tests.conftest import hpconv
from tests.unit.report.test_payload import MODEL, searched, write


def loaded(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="mine", storage=f"sqlite:///{path}")


def exported(history: list[Trial], folder: Path) -> optuna.Study:
    """A history written as a study, and read by Optuna."""
    assert trials.write(write(folder / "mine", history), folder / "optuna.db") == len(history)
    return loaded(folder / "optuna.db")


def test_optuna_finds_the_same_best_trial_and_hyperparameters(tmp_path: Path) -> None:
    trials = searched(40)
    found = exported(trials, tmp_path)
    assert found.direction is optuna.study.StudyDirection.MINIMIZE
    worked = [trial for trial in trials if "loss" in trial["result"]]
    assert found.best_value == min(map(ensemble_error, worked))
    assert [trial.params for trial in found.trials] == list(map(hyperparameters, trials))
    assert [trial.state.name for trial in found.trials[3:5]] == ["COMPLETE", "FAIL"]
    for trial in found.trials:  # a value outside its distribution would be refused
        optuna.trial.create_trial(value=0, params=trial.params, distributions=trial.distributions)


def test_stopped_trial_is_pruned_in_a_study_and_stopped_in_a_table(tmp_path: Path) -> None:
    history = searched(2)
    rungs = [{"share": 0.1, "loss": 0.7, "seconds": {}}, {"share": 0.3, "loss": 0.5, "seconds": {}}]
    history[1]["result"] |= {"loss": 0.5, "stopped_at": 0.3, "rungs": rungs}
    whole, stopped = exported(history, tmp_path).trials
    assert (whole.state.name, whole.intermediate_values) == ("COMPLETE", {})
    assert (stopped.state.name, stopped.intermediate_values) == ("PRUNED", {10: 0.7, 30: 0.5})
    row = table_row(history[1])
    assert (row["status"], row["loss"], row["stopped_at"]) == ("stopped", 0.5, 0.3)


def test_trial_in_study_has_times_and_attributes(tmp_path: Path) -> None:
    trials = searched(5)
    statistics = {
        "test_error": 0.2,
        "interval": [0.1, 0.3],
        "standard_error": None,
        "seed_deviation": None,
        "test_errors": [0.2],
        "confusion": [[1]],
    }
    winner = {"validation_error": 0.2, "hyperparameters": {}, "feature_shape": [4], "seconds": {}}
    final = {
        "data": {"name": "digits", "checksum": "0"},
        "raw_pixels": {**statistics, "method": "pixels", "validation_error": 0.2},
        "winners": [
            {**statistics, **winner, "rank": 1, "tid": 3},
            {**statistics, "rank": "average", "members": [3]},
        ],
        "missing": [],
    }
    write_json(tmp_path / "mine/final_evaluation.json", final)
    *_, worked, failed = exported(trials, tmp_path).trials
    assert worked.datetime_start is not None
    assert worked.datetime_start.astimezone() == datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert worked.duration == timedelta(seconds=31.5)
    told = worked.user_attrs
    assert (told["tid"], told["worker"], told["source"]) == (3, "node7:123:ab12", "random")
    assert (told["features"], told["test_error"]) == ("4x2x2", 0.2)
    assert failed.user_attrs["kind"] == "too_slow"
    assert failed.user_attrs["reason"] == "trial 4 took 31 s, 30 are allowed"


def test_distributions_are_those_of_the_space(tmp_path: Path) -> None:
    found = optuna_study.distributions(searched(40))
    assert found["exit"] == optuna.distributions.CategoricalDistribution(range(6))
    size = found["l0fb_size"]
    assert size == optuna.distributions.FloatDistribution(3.0, 8.0, step=1)
    rotation = found["warp_rot"]
    assert rotation == optuna.distributions.FloatDistribution(-0.3, 0.3)
    logs = {row["label"] for row in table(search_space(**MODEL)) if "lognormal" in row["dist"]}
    assert all(found[label].log for label in logs & set(found))  # type: ignore[attr-defined]


def test_old_history_is_exported_as_a_study(tmp_path: Path) -> None:
    old, bare = searched(2)
    del old["misc"]["model"], old["misc"]["source"]
    del bare["misc"]["model"]
    bare |= {"owner": None, "book_time": None, "refresh_time": None}
    bare["result"]["loss"] = float("nan")
    found = exported([old, bare], tmp_path)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE", "FAIL"]
    assert found.trials[0].params == hyperparameters(old)


def test_a_table_has_the_same_columns_and_values_as_parquet_and_as_csv(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", searched(6), "live/trials.jsonl")  # while it searches
    for name in ("trials.csv", "trials.parquet"):
        trials.require(tmp_path / name)
        assert trials.write(folder, tmp_path / name) == 6
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = parquet.read_table(tmp_path / "trials.parquet")
    assert found.column_names == list(rows[0])
    for label in ("tid", "kind", "exit", "l0p_order_real", "warp_rot"):
        as_text = ["" if value is None else str(value) for value in found[label].to_pylist()]
        assert as_text == [row[label] for row in rows]
    assert found["finished"][0].as_py() == datetime(2026, 11, 24, 13, 0, 31, 500000, UTC)
    assert found["own_error"].to_pylist() == 6 * [None]


@pytest.mark.parametrize("name", ["trials.db", "trials.csv", "trials.parquet"])
def test_export_is_replaced_and_other_file_is_kept(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for count in (2, 3):
        folder = write(tmp_path / "mine", searched(count))
        trials.require(path)
        trials.write(folder, path)
    if name == "trials.db":
        assert len(loaded(path).trials) == 3
    path.write_text("mine\n1\n")
    with pytest.raises(UserError, match=rf"{name}', which exists and was not written by hpconv"):
        trials.require(path)
    assert path.read_text() == "mine\n1\n"


def test_study_that_is_no_export_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "optuna.db"
    exported(searched(2), tmp_path)
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO studies VALUES (2, 'another')")
    with pytest.raises(UserError, match="which exists and was not written by hpconv export"):
        trials.require(path)


def test_unknown_suffix_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"'a.xlsx': write a name that ends in .db, .csv, .parquet"):
        trials.require(Path("a.xlsx"))


@pytest.mark.parametrize(("suffix", "package"), [(".db", "optuna"), (".parquet", "pyarrow")])
def test_missing_package_of_a_suffix_is_named(
    suffix: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"needs {package}: run pip install 'hpconv\[trials\]'"):
        trials.require(Path(f"a{suffix}"))


def test_the_command_writes_the_trials(tmp_path: Path) -> None:
    folder, path = write(tmp_path / "mine", searched(3)), tmp_path / "trials.csv"
    process = hpconv("export", "--experiment", folder, "--trials", path)
    told, error = process.communicate()
    assert process.returncode == 0, error
    assert told == f"{path}: 3 trials of {folder}\n"


def test_command_needs_either_trials_or_a_winner() -> None:
    for given in ({}, {"winner": 1, "trials": Path("a.csv")}, {"winner": 1, "format_": "npz"}):
        with pytest.raises(UserError, match="either --winner, --format and --output, or --trials"):
            export(**given)
