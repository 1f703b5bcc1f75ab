"""Trials in a real MongoDB: each is worked on by one, finished once, and never lost."""

import pickle
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from hyperopt import hp, tpe, trials_from_docs
from hyperopt.base import (
    JOB_STATE_DONE,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    Domain,
)
from pymongo.errors import AutoReconnect, DuplicateKeyError

from hpconv.errors import UserError
from hpconv.mongodb.uri import from_file
from hpconv.storage import connection, search_record
from hpconv.storage.store import MAX_ATTEMPTS, Store, TrialLost
from hpconv.trials import Rung, Standing, Trial

OK = {"status": "ok", "loss": 0.5}


def queue(store: Store, count: int) -> None:
    for tid in range(count):
        store.insert({"tid": tid, "misc": {"tid": tid, "vals": {}}, "result": {"status": "new"}})


def fall_silent(store: Store) -> None:
    """Date every running trial back, as if its worker had died."""
    long_ago = datetime.now() - timedelta(days=1)
    store._jobs.update_many({"state": JOB_STATE_RUNNING}, {"$set": {"refresh_time": long_ago}})


def test_reserve_takes_the_oldest_trial(store: Store) -> None:
    queue(store, 3)
    assert [store.reserve("me")["tid"] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]
    assert store.reserve("me") is None


def test_concurrent_workers_never_share_a_trial(new_store: Callable[[], Store]) -> None:
    queue(new_store(), 60)

    def take_all(name: int) -> list[int]:
        mine, store = [], new_store()
        while (trial := store.reserve(f"worker {name}")) is not None:
            mine.append(trial["tid"])
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [tid for tids in pool.map(take_all, range(8)) for tid in tids]
    assert sorted(taken) == list(range(60))


def test_finish_writes_result_and_state(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", OK)
    (done,) = store.finished()
    assert (done["state"], done["result"], done["owner"]) == (JOB_STATE_DONE, OK, "me")


def test_result_text_is_not_interpreted_by_mongodb(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", {"status": "fail", "failure": {"reason": "$NOW $$ROOT"}})
    assert store.finished()[0]["result"]["failure"]["reason"] == "$NOW $$ROOT"


def test_trial_with_expired_lease_is_requeued(store: Store) -> None:
    queue(store, 1)
    lost = store.reserve("dead")
    assert lost is not None
    store.requeue_expired()
    assert store.reserve("other") is None, "a fresh trial is left alone"
    fall_silent(store)
    store.requeue_expired()
    taken = store.reserve("other")
    assert taken is not None
    assert taken["attempts"] == 1
    with pytest.raises(TrialLost):
        store.finish(lost, "dead", OK)
    with pytest.raises(TrialLost):
        store.heartbeat("dead", lost)
    store.finish(taken, "other", OK)
    assert store.count(JOB_STATE_DONE) == 1


def test_third_expired_lease_fails_the_trial_as_lost(store: Store) -> None:
    queue(store, 1)
    for attempt in range(MAX_ATTEMPTS):
        assert store.reserve(f"victim {attempt}")
        fall_silent(store)
        store.requeue_expired()
    assert store.reserve("next") is None
    (lost,) = store.finished()
    assert lost["state"] == JOB_STATE_DONE
    assert lost["result"]["failure"]["kind"] == "lost"


def rung(share: float, loss: float) -> Rung:
    return {"share": share, "loss": loss, "seconds": {}}


def test_trial_is_compared_with_those_that_have_reached_its_rung(store: Store) -> None:
    queue(store, 3)
    for place, name in enumerate("abc"):
        trial = store.reserve(name)
        assert trial is not None
        assert store.reach_rung(trial, name, [rung(0.1, place / 10)]) == Standing(place, place + 1)
        if name == "a":
            both = [rung(0.1, 0.0), rung(0.3, 0.1)]
            assert store.reach_rung(trial, name, both) == Standing(better=0, reached=1)
            store.finish(trial, name, {**OK, "rungs": both})
    assert trial is not None
    store.requeue_owned("c")
    with pytest.raises(TrialLost):
        store.reach_rung(trial, "c", [rung(0.1, 0.0)])
    again = store.reserve("d")
    assert again is not None
    assert store.reach_rung(again, "d", [rung(0.1, 0.05)]) == Standing(better=1, reached=3)
    assert store.reach_rung(again, "d", [rung(0.1, 0.05), rung(0.3, 0.1)]) == Standing(0, 2)


def test_heartbeat_extends_the_lease(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    fall_silent(store)
    store.heartbeat("me", trial)
    store.requeue_expired()
    assert store.count(JOB_STATE_RUNNING) == 1
    assert store.count_live_workers() == 1
    store.remove_worker("me")
    assert store.count_live_workers() == 0


def test_requeue_owned_requeues_the_owners_trials(store: Store) -> None:
    queue(store, 1)
    store.reserve("me")
    assert store.requeue_owned("another") == []
    assert store.requeue_owned("me") == [0]
    assert store.count(JOB_STATE_NEW) == 1
    assert store.reserve("other")["attempts"] == 0  # type: ignore[index]


def test_finished_selects_by_tid(store: Store) -> None:
    queue(store, 4)
    for _ in range(3):
        trial = store.reserve("me")
        assert trial is not None
        store.finish(trial, "me", OK)
    assert [trial["tid"] for trial in store.finished()] == [0, 1, 2]
    assert [trial["tid"] for trial in store.finished([1, 3])] == [1]
    (pending,) = store.unfinished()
    assert (pending["tid"], pending["state"]) == (3, JOB_STATE_NEW)


def test_finish_is_idempotent(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", OK)
    store.finish(trial, "me", OK)
    assert [done["version"] for done in store.finished()] == [1]


def test_reservation_with_lost_answer_is_requeued(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(store, 2)
    reserve, lost = store._reserve, []

    def answer_lost_once(owner: str) -> Trial | None:
        trial = reserve(owner)
        if not lost:
            lost.append(trial)
            raise AutoReconnect("connection closed")
        return trial

    monkeypatch.setattr(store, "_reserve", answer_lost_once)
    trial = store.reserve("me")
    assert trial is not None
    assert trial["tid"] == 0
    assert store.count(JOB_STATE_RUNNING) == 1


def test_duplicate_tid_is_refused(store: Store) -> None:
    queue(store, 1)
    trial = {"tid": 0, "misc": {"tid": 0, "vals": {"x": [1]}}, "result": {"status": "new"}}
    with pytest.raises(DuplicateKeyError):
        store.insert(trial)
    assert store.count() == 1


def test_trials_of_hyperopts_workers_are_not_requeued(store: Store) -> None:
    queue(store, 1)
    long_ago = datetime.now() - timedelta(days=1)
    by_hyperopt = {"state": JOB_STATE_RUNNING, "owner": ["host:7"], "refresh_time": long_ago}
    store._jobs.update_one({"tid": 0, "exp_key": store.exp_key}, {"$set": by_hyperopt})
    store.requeue_expired()
    assert store.count(JOB_STATE_RUNNING) == 1


def test_hyperopt_can_read_the_trials(store: Store) -> None:
    domain = Domain(abs, hp.uniform("x", -5, 5))
    for tid, x in enumerate([4.0, -1.0, 3.0]):
        misc = {"tid": tid, "cmd": domain.cmd, "idxs": {"x": [tid]}, "vals": {"x": [x]}}
        store.insert({"tid": tid, "spec": None, "misc": misc, "result": {"status": "new"}})
        trial = store.reserve("me")
        assert trial is not None
        store.finish(trial, "me", {"status": "ok", "loss": abs(x)})
    trials = trials_from_docs(store.finished(), exp_key=store.exp_key)
    assert trials.losses() == [4.0, 1.0, 3.0]
    assert trials.argmin == {"x": -1.0}
    assert trials.best_trial["tid"] == 1
    assert len(tpe.suggest([3], domain, trials, seed=1)) == 1


def test_attachments_are_listed_in_their_trial(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.finish(trial, "me", OK, {"weights": b"123"})
    ((name, file),) = store.finished()[0]["_attachments"]
    assert name == "weights"
    assert store.attachments.read(file) == b"123"


def test_attachments_of_a_refused_result_are_deleted(store: Store) -> None:
    queue(store, 1)
    trial = store.reserve("me")
    assert trial is not None
    store.requeue_owned("me")
    with pytest.raises(TrialLost):
        store.finish(trial, "me", OK, {"weights": b"123"})
    assert store.connection.db.fs.files.count_documents({"exp_key": store.exp_key}) == 0


def test_put_objective_replaces_the_objective(store: Store) -> None:
    assert store.attachments.objective() is None
    for function in (abs, round):
        store.attachments.put_objective(Domain(function, hp.uniform("x", 0, 1)))
    newest = store.attachments.objective()
    assert newest is not None
    assert pickle.loads(store.attachments.read(newest)).fn is round
    assert store.connection.db.fs.files.count_documents({"exp_key": store.exp_key}) == 1


def test_search_with_another_fingerprint_is_refused(store: Store) -> None:
    store.search.open("digits", "driver")
    store.search.close("driver")
    assert store.search.is_over()
    store.search.open("digits", "driver")
    assert not store.search.is_over()
    with pytest.raises(UserError, match="choose a new 'experiment' name"):
        store.search.open("letters", "driver")


def test_search_continued_by_other_code_is_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for code in (None, "0.1.0", "0.1.0", "0.2.0"):  # the first is a version that did not record it
        assert not caplog.records
        store.search.open("digits", "driver", code=code)
    (told,) = caplog.records
    assert "was begun with hpconv 0.1.0, this is 0.2.0" in told.getMessage()


def test_search_has_one_leader(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_record, "DRIVER_SECONDS", 1.0)
    store.search.open("digits", "first")
    stop = Event()

    def lead() -> None:
        while not stop.wait(0.2):
            store.search.heartbeat("first", 0.2)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(lead)
        with pytest.raises(UserError, match="another driver, first, leads"):
            store.search.open("digits", "second")
        stop.set()
    store.search.open("digits", "second")  # now that the first is silent
    with pytest.raises(UserError, match="second, has taken this search over"):
        store.search.heartbeat("first", 0.5)
    store.search.close("first")
    assert not store.search.is_over()


def test_search_without_leader_is_not_over(store: Store) -> None:
    assert not store.search.is_over()
    store.search._searches().insert_one({"_id": store.exp_key, "driver": None})
    assert not store.search.is_over()


def test_search_seconds_add_up_over_drivers(store: Store) -> None:
    for name in ("first", "second"):
        searched = store.search.open("digits", name)
        store.search.heartbeat(name, searched + 10)
        store.search.release(name)
    assert store.search.open("digits", "third") == 20


def test_an_objective_is_current_when_the_driver_has_attached_it(store: Store) -> None:
    assert store.search.is_ready()  # there may be no driver of ours
    store.search.open("digits", "driver")
    assert not store.search.is_ready()
    store.search.set_ready("driver")
    assert store.search.is_ready()
    store.search.open("digits", "driver")
    assert not store.search.is_ready()


def test_leases_are_judged_at_a_heartbeat_without_a_break_before_it(store: Store) -> None:
    store.search.open("digits", "driver")
    queue(store, 1)
    store.reserve("me")
    before = store.search.heartbeat("driver", 1)
    long_ago = before.time - timedelta(days=1)
    leader = {f"driver.{name}": long_ago for name in ("beat", "since")}
    store.search._searches().update_one({"_id": store.exp_key}, {"$set": leader})
    assert store.search.heartbeat("driver", 1).unbroken == 0
    time.sleep(0.01)  # the server's clock counts milliseconds
    assert 0 < store.search.heartbeat("driver", 1).unbroken < timedelta(days=1).total_seconds()
    fall_silent(store)
    store.requeue_expired(long_ago)
    assert store.count(JOB_STATE_RUNNING) == 1
    store.requeue_expired(before.time)
    assert store.count(JOB_STATE_RUNNING) == 0


def test_no_operation_scans_a_collection(store: Store) -> None:
    db = store.connection.db
    db.command("profile", 2)
    try:
        store.search.open("digits", "driver")
        queue(store, 3)
        for end in (store.finish, store.fail):
            trial = store.reserve("me")
            assert trial is not None
            store.heartbeat("me", trial)
            store.reach_rung(trial, "me", [rung(0.1, 0.5)])
            end(trial, "me", OK if end == store.finish else "error")  # type: ignore[operator]
        store.reserve("me")
        store.requeue_owned("me")
        store.requeue_expired()
        assert (store.count_live_workers(), store.count(), store.count(JOB_STATE_DONE)) == (1, 3, 1)
        store.finished([0, 1])
        store.unfinished()
        list(store.history("refresh_time"))
        store.queue_state()
        store.durations(10)
        store.attachments.objective()
        store.search.heartbeat("driver", 1)
        store.search.is_over()
        store.remove_worker("me")
    finally:
        db.command("profile", 0)
    seen = list(db["system.profile"].find({"ns": {"$not": re.compile("profile")}}))
    plans = {(entry["ns"], entry["op"], entry.get("planSummary", "")) for entry in seen}
    assert len(plans) > 10
    assert not [plan for plan in plans if "COLLSCAN" in plan[2]]


def test_a_new_server_may_start_long_after_the_old_one_was_lost(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address is missing for a moment, which does not mean that the server was stopped."""
    monkeypatch.setattr(connection, "STOPPED_SECONDS", 0.5)
    dead, begun = "mongodb://127.0.0.1:1/", time.monotonic()
    moments = iter([FileNotFoundError])

    def address() -> str:
        if time.monotonic() - begun < 1:
            return dead
        for absent in moments:
            raise absent
        return from_file(server)()

    assert Store(address, exp_key="any").count() == 0
