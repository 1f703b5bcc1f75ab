"""Which experiment is meant, and where its trials are."""

import os
from pathlib import Path

import pytest

from hpconv.errors import UserError
from hpconv.experiments import HISTORIES, find_experiment, history


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the workflow might run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def experiment(name: str, *files: str) -> Path:
    for file in files:
        path = Path("results", name, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("results", name)


def test_single_experiment_is_the_default() -> None:
    demo = experiment("demo", "trials.jsonl")
    experiment("begun", "logs/data.log")
    assert find_experiment(None, HISTORIES) == demo


def test_several_experiments_are_listed_in_the_error() -> None:
    experiment("one", "trials.jsonl")
    experiment("two", "live/trials.jsonl")
    with pytest.raises(UserError, match="--experiment with one of results/one, results/two$"):
        find_experiment(None, HISTORIES)


def test_error_without_experiments_suggests_make_demo() -> None:
    with pytest.raises(UserError, match="no folder under results/ has .*'make demo'"):
        find_experiment(None, HISTORIES)


def test_experiment_is_found_by_folder_or_name(folder: Path) -> None:
    demo = experiment("demo", "trials.jsonl")
    assert find_experiment(Path("demo"), HISTORIES) == find_experiment(demo, HISTORIES) == demo
    assert find_experiment(folder / demo, HISTORIES) == folder / demo


def test_unknown_experiment_is_refused_with_a_list() -> None:
    experiment("demo", "trials.jsonl")
    experiment("begun", "logs/data.log")
    message = "--experiment is 'dmeo', but there is no such folder: write one of results/demo"
    with pytest.raises(UserError, match=message):
        find_experiment(Path("dmeo"), HISTORIES)
    with pytest.raises(UserError, match="'results/begun', but it has no trials.jsonl or live/"):
        find_experiment(Path("results/begun"), HISTORIES)


def test_history_is_the_newest_file() -> None:
    live = experiment("demo", "live/trials.jsonl") / "live/trials.jsonl"
    demo = live.parents[1]
    assert history(demo) == live
    ended = experiment("demo", "trials.jsonl") / "trials.jsonl"
    os.utime(live, (1, 1))
    assert history(demo) == ended
    os.utime(ended, (0, 0))  # the search goes on
    assert history(demo) == live


def test_history_of_experiment_without_trials_is_a_user_error() -> None:
    with pytest.raises(UserError, match="results/demo has no trials yet"):
        history(experiment("demo", "logs/data.log"))
