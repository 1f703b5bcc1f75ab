"""Trials in a real MongoDB: each is worked on by one, finished once, and never lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING

from hpconv.errors import UserError
from hpconv.store import MAX_ATTEMPTS, Store, TrialLost

OK = {"status": "ok", "loss": 0.5}


def queue(store: Store, count: int) -> None:
    for _ in range(count):
        tid = store.next_tid()
        store.insert({"tid": tid, "misc": {"tid": tid, "vals": {}}, "result": {"status": "new"}})


def fall_silent(store: Store) -> None:
    """Date every running trial back, as if its worker had died."""
    long_ago = datetime.now() - timedelta(days=1)
    store._jobs.update_many({"state": JOB_STATE_RUNNING}, {"$set": {"refresh_time": long_ago}})


def test_trials_are_taken_oldest_first(store: Store) -> None:
    queue(store, 3)
    assert [store.reserve("me")["tid"] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]
    assert store.reserve("me") is None


def test_many_workers_never_share_a_trial(new_store: Callable[[], Store]) -> None:
    queue(new_store(), 60)

    def take_all(name: int) -> list[int]:
        mine, store = [], new_store()
        while (trial := store.reserve(f"worker {name}")) is not None:
            mine.append(trial["tid"])
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [tid for tids in pool.map(take_all, range(8)) for tid in tids]
    assert sorted(taken) == list(range(60))


def test_tids_are_given_once(new_store: Callable[[], Store]) -> None:
    stores = [new_store() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        tids = [
            t
            for many in pool.map(lambda s: [s.next_tid() for _ in range(25)], stores)
            for t in many
        ]
    assert sorted(tids) == list(range(100))


def test_a_result_is_written_with_its_state(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", OK)
    (done,) = store.finished()
    assert (done["state"], done["result"], done["owner"]) == (JOB_STATE_DONE, OK, "me")


def test_a_result_may_hold_any_text(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", {"status": "fail", "failure": {"reason": "$NOW $$ROOT"}})
    assert store.finished()[0]["result"]["failure"]["reason"] == "$NOW $$ROOT"


def test_a_silent_workers_trial_goes_to_another(store: Store) -> None:
    queue(store, 1)
    lost = store.reserve("dead")
    assert lost is not None
    store.requeue_silent()
    assert store.reserve("other") is None, "a fresh trial is left alone"
    fall_silent(store)
    store.requeue_silent()
    taken = store.reserve("other")
    assert taken is not None
    assert taken["attempts"] == 1
    with pytest.raises(TrialLost):
        store.finish(lost, "dead", OK)
    with pytest.raises(TrialLost):
        store.heartbeat("dead", lost)
    store.finish(taken, "other", OK)
    assert store.count(JOB_STATE_DONE) == 1


def test_a_trial_that_kills_every_worker_is_lost(store: Store) -> None:
    queue(store, 1)
    for attempt in range(MAX_ATTEMPTS):
        assert store.reserve(f"victim {attempt}")
        fall_silent(store)
        store.requeue_silent()
    assert store.reserve("next") is None
    (lost,) = store.finished()
    assert lost["state"] == JOB_STATE_ERROR
    assert "lost" in lost["error"]


def test_a_heartbeat_keeps_a_trial(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    fall_silent(store)
    store.heartbeat("me", trial)
    store.requeue_silent()
    assert store.count(JOB_STATE_RUNNING) == 1
    assert store.live_workers() == 1
    store.leave("me")
    assert store.live_workers() == 0


def test_a_trial_given_back_waits_again(store: Store) -> None:
    queue(store, 1)
    store.reserve("me")
    assert store.give_back("another") == []
    assert store.give_back("me") == [0]
    assert store.count(JOB_STATE_NEW) == 1
    assert store.reserve("other")["attempts"] == 0  # type: ignore[index]


def test_only_what_is_new_is_read(store: Store) -> None:
    queue(store, 2)
    for _ in range(2):
        trial = store.reserve("me")
        assert trial is not None
        store.finish(trial, "me", OK)
    first, second = store.finished()
    assert [t["tid"] for t in store.finished(since=second["refresh_time"])] in ([1], [0, 1])
    assert len(store.finished(since=first["refresh_time"])) == 2


def test_another_search_under_the_same_name_is_refused(store: Store) -> None:
    store.open_search("digits")
    store.close_search()
    assert store.search_is_over()
    store.open_search("digits")
    assert not store.search_is_over()
    with pytest.raises(UserError, match="choose a new 'experiment' name"):
        store.open_search("letters")
