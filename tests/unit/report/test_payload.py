"""What a page shows of a search: complete, plain JSON, and small."""

import itertools
import json
import math
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, rand
from hyperopt.base import Domain
from snakemake.cli import parse_args
from typer.main import get_command

from hpconv import experiments, report
from hpconv.cli import app
from hpconv.errors import UserError
from hpconv.evaluation.records import winner_test_errors
from hpconv.files import read_json, write_json
from hpconv.model.space import search_space
from hpconv.report import hyperparameter_rows, payload, random_search, trial_rows
from hpconv.trials import Trial, hyperparameters, read

MODEL = {"output_sizes": [16, 32], "max_layer_sizes": [32]}
KEYS = [
    *("experiment", "written", "status", "data", "trials", "thinned", "redrawn", "stopped"),
    "spent",
    *("hyperparameters", "convergence", "outlook", "importance", "failures", "best", "final"),
]


@cache
def drawn() -> list[dict[str, Any]]:
    """Hyperparameters drawn at random from the demo's space, as trials have them in ``vals``."""
    domain = Domain(lambda values: 0.0, search_space(**MODEL))
    docs = rand.suggest(list(range(60)), domain, Trials(), 0)
    return [
        {label: np.array(values).tolist() for label, values in doc["misc"]["vals"].items()}
        for doc in docs
    ]


def searched(count: int) -> list[Trial]:
    """A history of up to 60 trials: every fifth failed, the first ten were drawn at random."""
    trials = []
    for tid, vals in enumerate(drawn()[:count]):
        result: dict[str, Any] = {"status": "ok", "loss": 0.1 + 0.9 / (1 + tid)}
        result |= {"feature_shape": [4, 2, 2], "seconds": {"learn": 1.0, "extract": 0.5}}
        if tid % 5 == 4:
            failure = {"kind": "too_slow", "reason": f"trial {tid} took 31 s, 30 are allowed"}
            result = {"status": "fail", "failure": failure}
        trials.append(
            {
                "tid": tid,
                "state": 2,
                "owner": "node7:123:ab12",
                "book_time": "2026-11-24 13:00:00",
                "refresh_time": "2026-11-24 13:00:31.500000",
                "misc": {
                    "vals": dict(vals),
                    "model": MODEL,
                    "source": "random" if tid < 10 else "tpe",
                },
                "result": result,
            }
        )
    return trials


def write(folder: Path, trials: list[Trial], name: str = "trials.jsonl") -> Path:
    """An experiment's folder with a history."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(trial) + "\n" for trial in trials))
    return folder


def finished(folder: Path, trials: list[Trial]) -> Path:
    """A folder of an experiment whose two winners, trials 33 and 32, have been tested."""
    write(folder, trials)
    tested = {"interval": [0.1, 0.3], "seed_deviation": None, "confusion": [[1, 0], [0, 1]]}
    tested |= {"standard_error": None, "test_errors": [0.2]}
    of_trial = {"hyperparameters": {}, "feature_shape": [8], "seconds": {}, **tested}
    winners = [
        {"rank": 1, "tid": 33, "test_error": 0.2, "validation_error": 0.12, **of_trial},
        {"rank": "average", "members": [33, 32], "test_error": 0.15, **tested},
    ]
    pixels = {"test_error": 0.4, "validation_error": 0.35, "method": "pixels", **tested}
    missing = [{"rank": 2, "reason": "it was not begun"}]
    data = {"name": "digits", "checksum": "0"}
    final = {"data": data, "raw_pixels": pixels, "winners": winners, "missing": missing}
    final["variants"] = {"flips": [{**winners[0], "test_error": 0.18}]}
    write_json(folder / "final_evaluation.json", final)
    write_json(folder / "baseline.json", pixels)
    for rank, tid in enumerate((33, 32), start=1):
        write_json(folder / f"winners/{rank}/trial.json", trials[tid])
    return folder


def collected(folder: Path, *importance: payload.ImportanceFunction) -> payload.Payload:
    """The payload of an experiment."""
    return payload.collect(folder, read(experiments.history(folder)), *importance)


def unknown(*_: Any) -> None:
    """No importance, because computing it takes a second."""


def test_payload_of_a_running_search_is_plain_json(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", searched(8), "live/trials.jsonl")
    found = collected(folder)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == KEYS
    assert found["experiment"] == "mine"
    assert [found[key] for key in ("data", "outlook", "final")] == [None] * 3
    assert found["importance"] is None
    assert found["convergence"]["baseline"] is None


def test_experiment_without_trials_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no trials yet"):
        report.write(tmp_path, tmp_path / "report.html")


def test_payload_of_an_empty_history_is_empty(tmp_path: Path) -> None:
    found = collected(write(tmp_path, [], "live/trials.jsonl"))
    assert [found[key] for key in ("trials", "best", "failures")] == [[], [], []]


def test_trial_row_has_error_times_and_active_hyperparameters(tmp_path: Path) -> None:
    trials = searched(6)
    worked, failed = collected(write(tmp_path, trials))["trials"][3:5]
    values = worked.pop("values")
    assert worked == {
        "tid": 3,
        "status": "ok",
        "error": 0.325,
        "kind": None,
        "reason": None,
        "seconds": 1.5,
        "features": "4x2x2",
        "worker": "node7:123:ab12",
        "host": "node7",
        "started": "2026-11-24T13:00:00.000+00:00",
        "finished": "2026-11-24T13:00:31.500+00:00",
        "source": "random",
        "continues": None,
    }
    assert values == pytest.approx(hyperparameters(trials[3]), rel=1e-5)
    assert (failed["status"], failed["error"], failed["kind"]) == ("fail", None, "too_slow")
    assert failed["seconds"] == 31.5  # it says none itself: by the clock


def test_rows_of_old_histories_and_of_hyperopts_workers(tmp_path: Path) -> None:
    old, foreign, bare = searched(3)
    del old["misc"]["source"], old["misc"]["model"], old["book_time"]
    foreign |= {"owner": "node9:44", "state": 3, "error": ["<class 'KeyError'>", "'x'"]}
    foreign["result"] = {"status": "new"}
    bare |= {"owner": None, "book_time": None, "refresh_time": None}
    bare["result"]["loss"] = math.nan
    found = collected(write(tmp_path, [old, foreign, bare]))
    rows = found["trials"]
    assert [row["host"] for row in rows] == ["node7", "node9", None]
    assert [row["error"] for row in rows] == [1.0, None, None]
    assert (rows[1]["status"], rows[1]["reason"]) == ("error", "<class 'KeyError'>: 'x'")
    assert (rows[0]["source"], rows[0]["started"]) == (None, None)
    json.dumps(found, allow_nan=False)


def test_history_without_space_has_hyperparameters(tmp_path: Path) -> None:
    trials = searched(3)
    for trial in trials:
        del trial["misc"]["model"]
    rows = collected(write(tmp_path, trials))["hyperparameters"]
    assert {row["label"] for row in rows} == set().union(*map(hyperparameters, trials))
    assert {row["dist"] for row in rows} == {None}


def test_hyperparameter_rows_have_distribution_condition_and_options() -> None:
    trials = searched(30)
    rows = {row["label"]: row for row in hyperparameter_rows.rows(trials)}
    assert rows["exit"]["choice"]
    assert rows["exit"]["options"] == [
        *("gridpool depth 0", "lpool_alpha depth 0", "lpool depth 0"),
        *("gridpool depth 1", "lpool_alpha depth 1", "lpool depth 1"),
    ]
    assert rows["warp"]["options"] == ["off", "on"]
    assert rows["warp_osize"]["options"] == ["16", "32"]
    assert rows["l0_fbncc_algo"]["options"][1] == "whitened_projections"
    assert rows["l0p_order"]["options"] == ["1", "2", "l0p_order_real"]
    real = rows["l0p_order_real"]
    assert (real["dist"], real["log"], real["choice"]) == ("lognormal", True, False)
    assert real["condition"] == {"exit": [3, 4, 5], "l0p_order": [2]}
    assert real["n"] == sum("l0p_order_real" in hyperparameters(trial) for trial in trials)
    assert "never" not in rows


def test_hyperparameters_are_sorted_by_importance(tmp_path: Path) -> None:
    trials = searched(60)
    for trial in trials:
        if "loss" in trial["result"]:
            trial["result"]["loss"] = 0.1 + 0.5 * hyperparameters(trial)["warp_osize"]
    found = collected(write(tmp_path, trials))
    assert found["importance"]["rows"][0]["label"] == "warp_osize"
    assert found["hyperparameters"][0]["label"] == "warp_osize"
    shown = [row["label"] for row in found["importance"]["rows"]]
    assert [row["label"] for row in found["hyperparameters"]][: len(shown)] == shown


def test_failures_are_grouped_by_kind(tmp_path: Path) -> None:
    trials = searched(11)
    trials[0]["result"] = {"status": "fail", "failure": {"kind": "lost", "reason": "3 workers"}}
    slow, lost = collected(write(tmp_path, trials))["failures"]
    example = "trial 4 took 31 s, 30 are allowed"
    assert slow == {
        "kind": "too_slow", "count": 2, "seconds": 63.0, "tid": 4, "example": example
    }  # fmt: skip
    assert (lost["kind"], lost["count"], lost["tid"]) == ("lost", 1, 0)


def test_thinned_rows_keep_the_best_trials() -> None:
    some = searched(50)
    some[4]["result"]["failure"]["reason"] = 500 * "x"
    trials = [{**some[tid % 50], "tid": tid} for tid in range(6000)]
    trials[4321] = {**trials[4321], "result": {"status": "ok", "loss": 0.01}}
    rows = {row["tid"]: row for row in trial_rows.rows(trials)}
    assert len(json.dumps(list(rows.values()))) < 2.4e6
    assert "values" in rows[4321]
    assert max(np.diff(list(rows))) < 20  # the others are evenly spread


def test_trials_without_values_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_rows, "MAX_ROWS", 9)
    monkeypatch.setattr(trial_rows, "MAX_VALUES", 4)
    found = collected(write(tmp_path, searched(12)))
    assert len(found["trials"]) == 9
    assert found["thinned"] == 8
    assert found["failures"][0]["count"] == 2  # of all, shown or not


def test_convergence_has_each_improvement_and_the_last_trial(tmp_path: Path) -> None:
    trials = searched(5)
    for trial, loss in zip(trials, [0.5, 0.7, 0.3, 0.3, 0.4], strict=True):
        trial["result"] = {"status": "ok", "loss": loss}
    found = collected(write(tmp_path, trials))["convergence"]
    assert (found["tids"], found["best"]) == ([0, 2, 4], [0.5, 0.3, 0.3])
    assert found["band"]["drawn"] == 5


def test_best_trials_and_final_results_have_test_errors(tmp_path: Path) -> None:
    found = collected(finished(tmp_path / "mine", searched(34)), unknown)
    first, second, third = found["best"][:3]
    assert [first["tid"], second["tid"], third["tid"]] == [33, 32, 31]
    assert (first["rank"], first["test_error"], first["interval"]) == (1, 0.2, [0.1, 0.3])
    assert (second["rank"], second["test_error"]) == (2, None)
    assert (third["rank"], third["commands"]["export"]) == (None, None)
    final = found["final"]
    assert (final["winner"]["tid"], final["average"]["members"]) == (33, [33, 32])
    assert (final["ensemble"], final["baseline_method"]) == (None, "pixels")
    assert final["variants"]["flips"]["winner"]["test_error"] == 0.18
    assert list(final["variants"]["flips"]) == ["winner"]
    assert final["missing"] == [{"rank": 2, "reason": "it was not begun"}]
    assert found["convergence"]["baseline"] == 0.35


def test_payload_counts_redrawn_suggestions(tmp_path: Path) -> None:
    history = searched(4)
    for trial, count in zip(history[1:], (0, 3, 2), strict=True):
        trial["misc"]["redrawn"] = count
    assert collected(write(tmp_path, history), unknown)["redrawn"] == 5


def test_stopped_trials_are_neither_failed_nor_the_best(tmp_path: Path) -> None:
    history = searched(30)
    for trial in history[10:]:
        if "loss" in trial["result"]:
            trial["result"]["stopped_at"] = 0.1
    found = collected(write(tmp_path, history), unknown)
    stopped = found["trials"][11]
    assert (stopped["status"], stopped["kind"], stopped["error"]) == ("stopped", "stopped", None)
    assert stopped["reason"] == "with an error of 17.50 % on 0.1 of the examples"
    assert {trial["tid"] for trial in found["best"]} < set(range(10))
    assert found["stopped"] == 16
    assert sum(group["count"] for group in found["failures"]) == 6
    assert found["convergence"]["tids"][-2:] == [8, 29]
    steps = {"learn": 8.0, "extract": 4.0}  # of the eight trials that succeeded
    assert found["spent"] == steps | {"stopped": 16 * 1.5, "failed": 6 * 31.5}


def test_test_error_of_a_winner_is_not_that_of_its_ensemble(tmp_path: Path) -> None:
    folder = finished(tmp_path / "mine", searched(34))
    final = read_json(folder / "final_evaluation.json")
    ensemble = {**final["winners"][0], "rank": "ensemble", "members": [32, 33], "test_error": 0.05}
    write_json(
        folder / "final_evaluation.json", {**final, "winners": [*final["winners"], ensemble]}
    )
    assert collected(folder, unknown)["best"][0]["test_error"] == 0.2
    assert winner_test_errors(folder) == {33: 0.2}


def test_commands_of_the_best_trials_can_be_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("config", "profiles"):
        (tmp_path / folder).symlink_to(Path(folder).resolve())
    monkeypatch.chdir(tmp_path)
    Path("mine.npy").touch()
    found = collected(finished(Path("results/demo"), searched(34)), unknown)
    winner, other = found["best"][0]["commands"], found["best"][4]["commands"]
    program = get_command(app)
    for command in (winner["extract"], winner["export"], other["extract"]):
        verb, *options = shlex.split(command)[1:]
        chosen = program.commands[verb]  # type: ignore[attr-defined]
        given = chosen.make_context(verb, options).params
        assert given["experiment"] == Path("results/demo")
    again = parse_args(shlex.split(winner["retrain"])[1:])[1]
    assert again.targets == ["results/demo/winners/1/evaluation.json"]
    assert again.force
    assert again.configfile == [Path("config/demo.yaml")]
    more = parse_args(shlex.split(other["retrain"])[1:])[1]
    assert more.targets == ["report"]
    assert more.config == ["evaluation={winners: 5}"]


def test_band_matches_all_draws_with_replacement() -> None:
    trials = searched(4)
    errors = [0.1, 0.4, 0.2, math.inf]  # a failure is a draw without a loss
    for trial, value in zip(trials, errors, strict=True):
        trial["result"] = {"status": "ok", "loss": value} if value < 1 else {"status": "fail"}
    found = random_search.band(trials, 3)
    assert found is not None
    assert (found["n"], found["drawn"]) == ([1, 2, 3], 4)
    for n in (1, 2, 3):
        best = sorted(min(draws) for draws in itertools.product(errors, repeat=n))
        for name, q in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
            expected = best[math.ceil(q * len(best)) - 1]
            assert found[name][n - 1] == (expected if expected < 1 else None)


def test_band_of_a_long_search_has_few_points() -> None:
    found = random_search.band(searched(10), 20000)
    assert found is not None
    assert (found["n"][0], found["n"][-1]) == (1, 20000)
    assert len(found["n"]) <= 200
    assert found["high"][-1] == found["low"][-1]  # the best that was drawn


def test_band_is_estimated_from_random_trials() -> None:
    trials = searched(20)
    assert random_search.random_trials(trials, None) == trials[:10]
    for trial in trials:
        del trial["misc"]["source"]
    assert (
        random_search.random_trials(trials, {"algorithm": "tpe", "startup_trials": 6}) == trials[:6]
    )
    assert (
        random_search.random_trials(trials, {"algorithm": "random", "startup_trials": 6}) == trials
    )
    assert random_search.random_trials(trials, None) == []
    assert random_search.band([], 20) is None
    assert random_search.band([trials[4]], 20) is None  # a failure alone


def test_row_of_an_ensemble_trial_has_the_ensemble_error() -> None:
    (trial,) = searched(1)
    trial["result"] |= {"loss": 0.2, "own_error": 0.3, "ensemble_error": 0.1}
    trial["misc"]["boosting"] = {"continues": 7, "members": [7], "bagging_fraction": 0.5}
    (row,) = trial_rows.rows([trial])
    assert (row["error"], row["continues"]) == (0.1, 7)
