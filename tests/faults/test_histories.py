"""Experiments of earlier releases (``tests/make_history.py``) are read and continued."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import bson
import pytest

from hpconv.trials import Trial, hyperparameters, read
from tests.conftest import hpconv
from tests.faults.harness import Search

HISTORIES = sorted(Path(__file__).parents[1].glob("fixtures/history-*"))


def facts(trial: Trial) -> list[Any]:
    """What a release must not change, though it may write trials in another format."""
    fields = ("tid", "state", "result", "owner", "attempts", "book_time", "refresh_time")
    return [hyperparameters(trial), *(trial[name] for name in fields)]


@pytest.fixture(params=HISTORIES, ids=lambda path: path.name)
def history(request: pytest.FixtureRequest) -> Path:
    """The fixture of a release."""
    return request.param


def test_search_of_an_earlier_release_is_continued(
    history: Path, digits: Path, tmp_path: Path
) -> None:
    before = read(history / "trials.jsonl")
    search = Search(tmp_path, digits, max_evals=len(before) + 2, rungs=(0.1, 0.3))
    try:
        dump = gzip.decompress((history / "database.bson.gz").read_bytes())
        for row in bson.decode_all(dump):
            search.store.connection.db[row["collection"]].insert_one(row["document"])
        driver, worker = search.driver(), search.worker("worker")
        assert driver.wait(180) == 0, search.log("driver").read_text()
        assert worker.wait(180) == 0
        after = search.check("worker")[: len(before)]
        assert [facts(trial) for trial in after] == [facts(trial) for trial in before]
    finally:
        search.end()


def test_trials_of_an_earlier_release_are_read(history: Path, tmp_path: Path) -> None:
    shutil.copy(history / "trials.jsonl", tmp_path)
    best = hpconv("best", "--experiment", tmp_path, "-n", "1", "--json")
    output, errors = best.communicate()
    assert best.returncode == 0, errors
    (row,) = json.loads(output)
    ended_well = [t for t in read(history / "trials.jsonl") if t["result"]["status"] == "ok"]
    winner = min(ended_well, key=lambda trial: trial["result"]["loss"])
    found = {"tid": row["tid"], "values": row["hyperparameters"]}
    assert found == {"tid": winner["tid"], "values": hyperparameters(winner)}
