"""The final evaluation from the files of a search alone: no database, no record of Snakemake."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpconv import trials
from hpconv.files import read_json, write_json
from tests.unit.objective.test_objective import CANDIDATE
from tests.workflow.harness import ROOT, TINY, planned, run

SEARCH_RULES = {"data", "mongod", "await_server", "driver", "worker", "workers_done", "gather"}
EVALUATE = ("--snakefile", str(ROOT / "evaluate.smk"))
MODEL = yaml.safe_load(TINY.read_text())["model"] | {"max_row_elements": 500000, "batch_size": 100}


def trial(tid: int, loss: float, **changed: Any) -> dict[str, Any]:
    vals = {label: [value] for label, value in (CANDIDATE | changed).items()}
    misc = {"tid": tid, "vals": vals, "model": MODEL}
    result = {"status": "ok", "loss": loss}
    times = {"book_time": "2026-01-01 10:00:00", "refresh_time": "2026-01-01 10:00:09"}
    whole = {"tid": tid, "state": 2, "owner": "host:1:ab", "misc": misc, "result": result}
    return whole | times


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A folder with the outputs of a finished search, evaluated with another configuration."""
    folder = tmp_path_factory.mktemp("final")
    results = folder / "results/demo"
    results.mkdir(parents=True)
    shutil.copy(digits, results / "data.h5")
    history = [
        trial(0, 0.05),
        trial(1, 0.03, l0eg_fsize=3.0),
        trial(2, 0.04, l0eg_fsize=3.0, l0eg_l2_reg=1e-3),  # the same pipeline as 1
        trial(3, 0.06, l0eg_fsize=4.0),
    ]
    lines = [json.dumps(each) + "\n" for each in history]
    (results / "trials.jsonl").write_text("".join(lines))
    trials.write_csv(history, results / "trials.csv")
    search = {"algorithm": "random", "max_evals": 4, "ensemble": {}}
    ended = {"search": search, "stopped": "4 trials have finished", "workers": 2}
    write_json(results / "search.json", ended)
    write_changed_config(folder / "changed.yaml")
    changed = ("--configfile", str(folder / "changed.yaml"))
    result = run(folder, *EVALUATE, *changed, "-R", "retrain", "retrain")
    assert result.returncode == 0, result.stdout
    assert finished(result.stdout).count("retrain") == 2
    assert not SEARCH_RULES & set(finished(result.stdout))
    return folder


def write_changed_config(path: Path) -> None:
    """Write a configuration that differs in every setting that decides a search."""
    config = yaml.safe_load(TINY.read_text())
    config["search"] |= {"max_evals": 50, "workers": 3, "seed": 2}
    config["model"] |= {"max_n_features": 200, "output_sizes": [8, 12]}
    config["ensemble"] = {"grow": True}
    path.write_text(yaml.safe_dump(config))


def finished(output: str) -> list[str]:
    """The rules of the jobs that a run has finished."""
    return re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output)


def final(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(folder / "results/demo/final_evaluation.json")
    return found


def test_configuration_of_the_run_is_kept(folder: Path) -> None:
    assert read_json(folder / "results/demo/config.json")["search"]["max_evals"] == 50


def test_winners_are_those_of_the_search(folder: Path) -> None:
    assert [entry.get("tid") for entry in final(folder)["winners"]] == [1, 0, None]
    assert final(folder)["winners"][2]["members"] == [1, 0]
    for winner in final(folder)["winners"][:2]:
        assert winner["feature_shape"] == [296]  # by the search's bounds, not the changed ones


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        (["-R", "retrain", "retrain"], {"retrain": 2, "evaluate": 1, "report": 1, "all": 1}),
        (["-f", "--", "results/demo/winners/2/evaluation.json"], {"retrain": 1}),
        (["-f", "--", "evaluate"], {"evaluate": 1}),
    ],
)
def test_targets_of_the_final_evaluation_run_no_other_rules(
    folder: Path, options: list[str], plan: dict[str, int]
) -> None:
    changed = ("--configfile", str(folder / "changed.yaml"))
    assert planned(folder, *EVALUATE, *changed, *options) == plan


def test_evaluation_before_a_search_is_refused_in_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, *EVALUATE)
    assert result.returncode == 1
    assert "hpconv: 'results/demo/trials.jsonl' does not exist: run the whole" in result.stdout


def test_damaged_record_of_the_search_is_refused_in_one_line(tmp_path: Path) -> None:
    results = tmp_path / "results/demo"
    results.mkdir(parents=True)
    for name in ("trials.jsonl", "search.json"):
        (results / name).write_text('{"search": 1}')
    result = run(tmp_path, *EVALUATE)
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("hpconv:")]
    assert "results/demo/search.json is damaged" in line


def test_whole_workflow_evaluates_again_without_a_search(folder: Path) -> None:
    plan = planned(folder, "-R", "retrain", "retrain")
    assert plan["retrain"] == 2
    assert not SEARCH_RULES & set(plan)


def test_winners_are_ranked_by_other_divisions_if_asked(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    recheck = "evaluation={winners: 2, recheck: {best: 4, splits: 2}}"
    result = run(tmp_path, *EVALUATE, "--config", recheck, "--until", "rank")
    assert result.returncode == 0, result.stdout
    assert sorted(finished(result.stdout)) == [*["rank"], *4 * ["recheck"]]
    results = tmp_path / "results/demo"
    found = [read_json(results / f"recheck/{number}.json") for number in (1, 2, 3, 4)]
    assert [each and each["tid"] for each in found] == [1, 0, 3, None]  # three pipelines
    means = {each["tid"]: each["mean"] for each in found[:3]}
    winners = [read_json(results / f"winners/{rank}/trial.json")["tid"] for rank in (1, 2)]
    assert winners == sorted(means, key=means.__getitem__)[:2]


def test_failed_winner_is_reported_and_retried(folder: Path) -> None:
    results = folder / "results/demo"
    damaged = read_json(results / "winners/2/trial.json")
    damaged["misc"]["vals"]["l0eg_fsize"] = [99.0]
    write_json(results / "winners/2/trial.json", damaged)
    failed = run(folder, *EVALUATE, "--", "report")
    assert failed.returncode == 1
    assert "hpconv: winner 2 failed: map_too_small: " in failed.stdout
    assert "hpconv: the others are evaluated; run the same command again" in failed.stdout
    assert [entry["tid"] for entry in final(folder)["winners"]] == [1]
    (missing,) = final(folder)["missing"]
    assert missing["rank"] == 2
    assert "map_too_small" in missing["reason"]
    assert missing["reason"] in (results / "report.html").read_text()

    assert planned(folder, *EVALUATE, "--", "report")["features"] == 1  # the failed one

    options = ("--config", "evaluation={winners: 3, max_n_features: 400}", "--", "report")
    again = run(folder, *EVALUATE, *options)
    assert again.returncode == 0, again.stdout
    assert finished(again.stdout).count("retrain") == 2 + 3  # the first was there; with variants
    assert final(folder)["missing"] == []
    assert [entry["rank"] for entry in final(folder)["winners"]] == [1, 2, 3, "average"]
    more = final(folder)["variants"]["more_filters"]
    assert [entry["rank"] for entry in more] == [1, 2, 3, "average"]
    assert more[0]["feature_shape"] == [400]
    assert "Nothing to be done" in run(folder, *EVALUATE, *options).stdout
