"""Whatever is killed, a search ends with every trial finished once."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hyperopt.base import JOB_STATE_RUNNING

from hpconv.trials import hyperparameters
from tests import objectives
from tests.conftest import until
from tests.faults.harness import Search

Begin = Callable[..., Search]
LONG_AGO = datetime(1994, 8, 1)


@pytest.fixture
def begin(digits: Path, tmp_path: Path) -> Iterator[Begin]:
    """Starts the server of a search, and ends whatever is left of it."""
    searches: list[Search] = []

    def begin_search(max_evals: int, name: str = "search", **settings: Any) -> Search:
        folder = tmp_path / name
        folder.mkdir()
        searches.append(Search(folder, digits, max_evals, **settings))
        return searches[-1]

    yield begin_search
    for search in searches:
        search.end()


def fall_silent(search: Search, pid: int) -> None:
    """Date a worker and its trials back, as if its lease had passed."""
    db = search.store.connection.db
    its = {"$regex": f":{pid}:"}
    db.workers.update_many({"_id": its}, {"$set": {"heartbeat": LONG_AGO}})
    trials = {"state": JOB_STATE_RUNNING, "owner": its}
    db.jobs.update_many(trials, {"$set": {"refresh_time": LONG_AGO}})


def test_killed_stopped_and_ended_workers_lose_nothing(begin: Begin) -> None:
    chance = random.Random(1)
    search = begin(max_evals=24, rungs=(0.1, 0.3))
    driver = search.driver()
    killed, stopped, ended = (search.worker(name) for name in ("killed", "stopped", "ended"))
    until(lambda: search.finished() >= chance.randint(3, 6))
    time.sleep(chance.random())
    killed.kill()
    stopped.send_signal(signal.SIGSTOP)
    ended.terminate()
    fall_silent(search, killed.pid)
    fall_silent(search, stopped.pid)
    search.worker("fourth")
    search.worker("fifth")
    until(lambda: search.finished() >= 12)
    stopped.send_signal(signal.SIGCONT)
    assert driver.wait(180) == 0
    assert stopped.wait(180) == 0
    assert ended.wait(180) == 128 + signal.SIGTERM
    search.check_rungs(search.check("stopped", "ended", "fourth", "fifth"))


def test_a_killed_driver_goes_on_with_the_same_suggestions(begin: Begin) -> None:
    whole, broken = begin(10, "whole"), begin(10, "broken")
    for search in (whole, broken):
        search.worker("worker")
    undisturbed = whole.driver()
    chance = random.Random(2)
    for finished in (2, 6):
        driver = broken.driver()
        until(lambda count=finished: broken.finished() >= count)
        time.sleep(chance.random() / 4)
        driver.kill()
        if finished == 2:  # once is enough to wait until the next one may take over
            long_ago = {"$set": {"driver.beat": LONG_AGO}}
            broken.store.connection.db.searches.update_many({}, long_ago)
    assert broken.driver().wait(60) == 0
    assert undisturbed.wait(180) == 0
    expected = [hyperparameters(trial) for trial in whole.check("worker")]
    assert [hyperparameters(trial) for trial in broken.check("worker")] == expected


def test_a_killed_mongod_comes_back_and_nothing_is_lost(begin: Begin) -> None:
    chance = random.Random(3)
    search = begin(max_evals=24, rungs=(0.1, 0.3))
    driver = search.driver()
    names = [f"worker-{number}" for number in range(3)]
    workers = [search.worker(name) for name in names]
    for finished in (4, 12):
        until(lambda count=finished: search.finished() >= count)
        time.sleep(chance.random())
        search.kill_mongod()
        address = search.connection.read_text()
        until(lambda before=address: search.connection.read_text() != before)
    assert driver.wait(180) == 0
    assert [worker.wait(180) for worker in workers] == [0, 0, 0]
    search.check_rungs(search.check(*names))


def test_driver_and_workers_wait_for_a_server_that_is_gone(begin: Begin) -> None:
    search = begin(max_evals=14)
    driver = search.driver()
    workers = [search.worker(name) for name in ("one", "two")]
    until(lambda: search.finished() >= 5)
    search.kill_server()
    for name in ("driver", "one", "two"):
        until(lambda who=name: "is unreachable" in search.log(who).read_text())
    assert [process.poll() for process in (driver, *workers)] == [None] * 3
    search.start_server()
    assert driver.wait(180) == 0
    assert [worker.wait(180) for worker in workers] == [0, 0]
    trials = search.check("one", "two")
    assert {trial["attempts"] for trial in trials} == {0}
    assert "is reachable again" in search.log("one").read_text()


def test_a_result_without_a_server_waits_for_the_next_worker(begin: Begin) -> None:
    search = begin(max_evals=1)
    store = search.store
    objectives.attach_objective(store, objectives.AtRung())
    objectives.queue(store, 0.5)
    first = search.worker("first")
    until(lambda: store.count(JOB_STATE_RUNNING))
    search.kill_server()
    (search.folder / "go").touch()  # it goes on at its rung without a server
    until(lambda: "is unreachable" in search.log("first").read_text())
    first.terminate()
    assert first.wait(180) == 128 + signal.SIGTERM
    assert list(search.folder.glob("undelivered-*"))
    search.start_server()
    search.worker("next")
    until(search.finished)
    (trial,) = search.store.finished()
    assert trial["result"]["standing"] == [0, 1]
    assert f":{first.pid}:" in trial["owner"]
    until(lambda: not list(search.folder.glob("undelivered-*")))
