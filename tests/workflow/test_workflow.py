"""The whole workflow on real images and a real mongod, as a user runs it."""

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path

import h5py
import pytest

from hpconv.trials import read
from tests.workflow.harness import HISTORY, TINY, leftovers, planned, run


@pytest.fixture(scope="module")
def finished(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the workflow has run once."""
    return Path(shutil.copytree(ran, tmp_path_factory.mktemp("finished"), dirs_exist_ok=True))


@pytest.fixture
def results(finished: Path) -> Path:
    return finished / "results/demo"


def test_every_trial_is_in_the_table(results: Path) -> None:
    with (results / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["tid"]) for row in rows] == list(range(8))
    for row in rows:
        assert row["exit"]
        assert (row["status"] == "ok") == bool(row["loss"])
        assert (row["status"] == "fail") == bool(row["kind"] and row["reason"])


def test_search_record_and_status_have_the_reason_to_stop(results: Path) -> None:
    summary = json.loads((results / "search.json").read_text())
    assert summary["stopped"] == "8 trials have finished (search.max_evals)"
    assert summary["search"]["max_evals"] == 8
    status = json.loads((results / "live/status.json").read_text())
    assert (status["state"], status["reason"]) == ("ended", summary["stopped"])


def test_best_trials_are_sorted_by_loss(results: Path) -> None:
    with (results / "best_trials.tsv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file, dialect="excel-tab")]
    assert losses == sorted(losses)


def test_final_evaluation_has_winners_and_baseline(results: Path) -> None:
    final = json.loads((results / "final_evaluation.json").read_text())
    assert 0 < final["raw_pixels"]["test_error"] < 0.1
    with h5py.File(results / "data.h5") as data:
        n_test = len(data["folds/0/test"])
    best = read(results / "trials.jsonl")
    best = sorted((t["result"]["loss"], t["tid"]) for t in best if "loss" in t["result"])[:2]
    *winners, average = final["winners"]
    assert [(w["validation_error"], w["tid"]) for w in winners] == best
    assert average["members"] == [tid for _, tid in best]
    assert final["missing"] == []
    for winner in winners:
        assert 0 <= winner["test_error"] < 0.2
        assert winner["hyperparameters"]["exit"] in range(6)
        assert winner["feature_shape"]
        assert {"extract", "retrain"} <= set(winner["seconds"])
        assert sum(map(sum, winner["confusion"])) == n_test


def test_report_is_self_contained(results: Path) -> None:
    report = (results / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', report)
    for part in ("convergence", "best", "failures", "environment", "winner-1", "winner-2"):
        assert f'id="{part}"' in report
    for figure in ("pipeline", "filters", "maps", "confusion", "mistakes"):
        assert report.count(f'class="{figure}"') == 2


def test_snakemake_report_has_the_results(finished: Path) -> None:
    result = run(finished, "--report", "report.zip")
    assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(finished / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    tables = {"trials.csv", "best_trials.tsv", "importance.csv"}
    assert tables | {"report.html", "final_evaluation.json"} <= names


def test_no_process_and_no_password_remain(ran: Path, finished: Path) -> None:
    assert leftovers(ran) == []
    assert not (finished / "results/demo/mongodb/connection.json").exists()
    for log in (finished / "results/demo/logs").iterdir():
        assert "mongodb://" not in log.read_text()


def test_second_run_has_nothing_to_do(finished: Path) -> None:
    assert "Nothing to be done" in run(finished).stdout


def test_deleted_evaluation_reruns_only_that_winner(finished: Path, results: Path) -> None:
    evaluation = results / "winners/2/evaluation.json"
    before = evaluation.read_text()
    evaluation.unlink()
    assert planned(finished) == {"all": 1, "retrain": 1, "evaluate": 1, "report": 1}
    result = run(finished)
    assert result.returncode == 0
    assert "hpconv: the report is results/demo/report.html" in result.stdout
    assert "hpconv predict --experiment demo --images new" in result.stdout
    again, first = json.loads(evaluation.read_text()), json.loads(before)
    assert again["test_error"] == first["test_error"]


def test_winners_are_retrained_on_request_without_a_search(finished: Path) -> None:
    plan = planned(finished, "-R", "retrain", "retrain")
    assert plan == {"all": 1, "retrain": 2, "evaluate": 1, "report": 1}


def test_changed_data_section_replaces_nothing(finished: Path, results: Path) -> None:
    files = [results / name for name in ("data.h5", "baseline.json", "config.json")]
    before = [file.read_bytes() for file in files]
    result = run(finished, "--config", "data={name: digits, seed: 7}")
    assert result.returncode != 0
    assert "config key 'data.seed' is 7, but the trials of experiment 'demo'" in result.stdout
    assert [file.read_bytes() for file in files] == before


def test_changed_number_of_workers_starts_no_search(finished: Path) -> None:
    assert "Nothing to be done" in run(finished, "--config", "search={workers: 1}").stdout


def test_more_winners_start_no_search(finished: Path) -> None:
    assert not {"mongod", "driver", "worker"} & set(
        planned(finished, "--config", "evaluation={winners: 3}")
    )


def test_more_trials_continue_the_search(finished: Path, results: Path) -> None:
    before = read(results / "trials.jsonl")
    longer = finished / "longer.yaml"
    longer.write_text(TINY.read_text().replace("max_evals: 8", "max_evals: 10"))
    result = run(finished, "--configfile", str(longer), "--", HISTORY)
    assert result.returncode == 0, result.stdout
    after = read(results / "trials.jsonl")
    assert len(after) == 10
    assert after[:8] == before


def test_unreadable_images_end_the_run_with_a_reason(tmp_path: Path) -> None:
    result = run(tmp_path, "--config", "data={name: folder, path: photos}")
    assert result.returncode == 1
    assert re.search("hpconv: config key 'data.path'.*photos", result.stdout)
    assert "Waiting for MongoDB" not in result.stdout
