"""Files of trials: whole ones, summaries, and the best."""

from pathlib import Path

import pytest

from hpconv import trials
from hpconv.errors import UserError

HISTORY = Path(__file__).parents[1] / "fixtures/history-0.1.0/trials.jsonl"


def test_summaries_say_the_same_as_whole_trials() -> None:
    whole, summaries = trials.read(HISTORY), trials.read_summaries(HISTORY)
    functions = (trials.hyperparameters, trials.table_row, trials.seconds_spent, trials.failure)
    for of_trial in functions:
        assert [*map(of_trial, summaries)] == [*map(of_trial, whole)]
    assert trials.best_per_pipeline(summaries)[0]["tid"] == trials.succeeded(whole)[0]["tid"]
    for trial, summary in zip(whole, summaries, strict=True):
        assert trial["result"].keys() == summary["result"].keys()
        values = summary["misc"]["vals"]
        assert (len(values), dict(values)) == (len(list(values)), trial["misc"]["vals"])


def test_the_best_trials_are_read_whole() -> None:
    assert trials.read_best(HISTORY, 2) == trials.succeeded(trials.read(HISTORY))[:2]


def test_trials_are_read_by_tid(tmp_path: Path) -> None:
    assert trials.read(HISTORY, [3, 1]) == [trials.read(HISTORY)[tid] for tid in (1, 3)]
    with pytest.raises(UserError, match=r"trials\.jsonl has no trial 99"):
        trials.read(HISTORY, [1, 99])
    (tmp_path / "cut.jsonl").write_text('{"tid": 0')
    assert trials.read_first(tmp_path / "cut.jsonl") is None
