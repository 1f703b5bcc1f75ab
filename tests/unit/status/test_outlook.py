"""Whether more search is worth it: the chance, and what limits."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpconv.cli.status import status
from hpconv.status.outlook import MORE, TAIL, chance_of_improvement, outlook, read
from tests.unit.status.test_status import publish, trial

SLOW = {"kind": "too_slow", "reason": "stopped after 30 s"}


def history(losses: Any, **result: Any) -> list[Any]:
    """Trials of a second each; None is a failure."""
    ok = {"status": "ok", "seconds": {"extract": 1.0}, **result}
    failed = {"status": "fail", "failure": SLOW, "seconds": {"total": 1.0}}
    return [
        {**trial(0), "tid": tid, "result": failed if loss is None else {**ok, "loss": loss}}
        for tid, loss in enumerate(losses)
    ]


def test_chance_is_the_share_of_searches_that_improve() -> None:
    """Searches with an exponential tail; a numpy generator's draws are the same everywhere."""
    rng = np.random.default_rng(0)
    draws = 1 - np.minimum(rng.exponential(0.1, (4000, 200)), 0.9)
    past, more = draws[:, :100], draws[:, 100:]
    improved = (more.min(axis=1) < past.min(axis=1) - 0.05).mean()
    chances = [chance_of_improvement(errors, 0.05, 100) for errors in past]
    assert np.mean(chances) == pytest.approx(improved, abs=0.04)


def test_chance_of_failed_equal_or_few_trials() -> None:
    some = np.linspace(0.2, 0.4, TAIL + 1)
    assert chance_of_improvement(some[1:], 0.01, MORE) is None
    alone = chance_of_improvement(some, 0.01, MORE)
    diluted = chance_of_improvement(np.append(some, [math.inf] * TAIL), 0.01, MORE)
    assert alone is not None
    assert diluted is not None
    assert 0 < diluted < alone < 1
    assert chance_of_improvement(np.full(50, 0.2), 0.01, MORE) == 0
    assert chance_of_improvement(some, 0.21, MORE) == 0, "no error is below 0"


@pytest.mark.parametrize(
    ("losses", "limit", "text"),
    [
        ([None, 0.5], "failures", "take 50 % of the worker time, mostly too_slow"),
        ([0.5, 0.5, 0.4], "trials", "fell from 50.00 % to 40.00 % over the last third of 3 trials"),
        ([0.1] * 60, "noise", "60 trials are within it of the best"),
        ([0.1] + [0.5] * 599, "space", "stayed at 10.00 % over the last third of 600 trials"),
    ],
)
def test_limit_is_named(losses: list[Any], limit: str, text: str) -> None:
    found = outlook(history(losses), 400)
    assert found is not None
    assert found.limit == limit
    assert text in found.sentence
    assert found.noise == math.sqrt(found.best * (1 - found.best) / 400)


def test_no_outlook_before_a_trial_has_succeeded() -> None:
    assert outlook([], 400) is None
    assert outlook(history([None]), 400) is None
    assert outlook(history([0.1], stopped_at=0.3), 400) is None


def test_status_says_it_where_trials_and_images_are(
    tmp_path: Path, digits: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    demo = Path("results/demo")
    publish(demo)
    assert read(demo) is None
    lines = [json.dumps(each) + "\n" for each in history([0.5, 0.4])]
    (demo / "live/trials.jsonl").write_text("".join(lines))
    (demo / "data.h5").symlink_to(digits)
    status()
    assert capsys.readouterr().out.rstrip().endswith("and the search continues.")
    status(json_=True)
    assert json.loads(capsys.readouterr().out)["outlook"]["limit"] == "trials"
