"""``hpconv plan``: costs of real candidates, and what follows from them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpconv.config import resolve
from hpconv.pbs.profile import Profile
from hpconv.pbs.recommendation import Recommendation, recommend
from hpconv.search.forecast import forecast
from hpconv.search.trial_costs import TrialCost
from tests.unit.cli.test_cli import called
from tests.workflow.harness import TINY

COSTS = [TrialCost(seconds, 300, 500, None) for seconds in (30, 40, 50)]


def test_plan_of_real_candidates(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("plan", "--configfile", str(TINY), "-n", "2", "--json")
    status, out, error = called(capsys, monkeypatch, *arguments)
    assert status == 0, error
    plan = json.loads(out)
    median, high = plan["seconds"]
    assert 0 < median <= high < 30
    assert plan["peak_mb"][0] > 50
    assert plan["workers"] == 2
    assert plan["hours"][0] == pytest.approx(4 * median / 3600)  # 8 trials, of 2 the mean
    assert not Path("results").exists()


def planned(
    profile: dict[str, Any] | None = None, jobs: int | None = None, **search: Any
) -> Recommendation:
    settings = resolve({"experiment": "mine", "search": {"max_evals": 900, **search}})
    expected = forecast(settings, COSTS, Counter({"map_too_small": 1}), images=1000)
    assert expected.worker_hours.value == pytest.approx(10)
    assert expected.cache_bytes == 5 * 1000 * 4 * 500
    assert expected.refused == 0.25
    used = None if profile is None else Profile(Path("profile/config.yaml"), profile)
    return recommend(settings, expected, used, jobs, processors=4)


@pytest.mark.parametrize(
    ("profile", "jobs", "search", "workers", "advised"),
    [
        (None, None, {}, 2, 4),
        (None, None, {"worker_threads": 4}, 1, 6),
        (None, 10, {}, 8, 10),
        (None, 10, {"worker_threads": 4}, 2, 10),
        ({"cores": 4}, None, {}, 2, 4),
        ({"executor": "hpconv-pbs", "cores": 500}, 11, {}, 10, 11),
        ({"executor": "hpconv-pbs", "jobs": 6}, None, {}, 5, 6),
        ({"executor": "hpconv-pbs"}, 11, {"workers": 3}, 3, 4),
    ],
)
def test_number_of_workers_follows_slots_or_the_configuration(
    profile: Any, jobs: Any, search: Any, workers: int, advised: int
) -> None:
    found = planned(profile, jobs, **search)
    assert (found.workers, found.jobs) == (workers, advised)
    assert found.hours.value == pytest.approx(10 / workers)


@pytest.mark.parametrize(
    ("worker", "driver", "warnings"),
    [
        (600, 900, []),
        (100, 900, ["rule worker is 100 minutes in profile/config.yaml, the search takes"]),
        (600, 100, ["rule driver is 100 minutes"]),
        (1, 900, ["workers would take none", "rule worker is 1 minutes"]),
    ],
)
def test_short_walltimes_are_named(worker: int, driver: int, warnings: list[str]) -> None:
    runtimes = {"worker": {"runtime": worker}, "driver": {"runtime": driver}}
    found = planned({"executor": "hpconv-pbs", "set-resources": runtimes}, jobs=3)
    assert len(found.warnings) == len(warnings)
    for text, warning in zip(warnings, found.warnings, strict=True):
        assert text in warning


def test_limits_that_stop_many_candidates_are_named() -> None:
    settings = resolve({"experiment": "mine"})
    costs = [*COSTS, TrialCost(600, 300, None, "too_slow")]
    expected = forecast(settings, costs, Counter({"out_of_memory": 2}), images=1000)
    memory, slow = recommend(settings, expected, None, None, 4).warnings
    assert "trial_memory_mb is 8192: 2 of 6 candidates need more" in memory
    assert "1 of 4 candidates are too slow" in slow


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiment: [", "is not YAML"),
        ("- a", "has no keys"),
        ("experiment: a\nexperiment: b", "has the key 'experiment' in lines 1 and 2"),
        ("experiment: a\ndata: {name: folder}", "config key 'data.path' is missing"),
        (yaml.safe_dump({"experiment": "a", "model": {"n_patches": 1}}), "model.n_patches"),
    ],
)
def test_configuration_that_a_run_would_refuse(
    text: str, message: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    arguments = ("plan", "--configfile", str(tmp_path / "mine.yaml"))
    status, _, error = called(capsys, monkeypatch, *arguments)
    assert status == 1
    assert message in error
    assert len(error.strip().splitlines()) == 1
