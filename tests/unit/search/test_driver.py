"""The driver on a real store: seeded, resumable, and never waiting for ever."""

import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hyperopt.base import Domain

from hpconv import trials
from hpconv.config import EnsembleSettings, ModelSettings, SearchSettings
from hpconv.errors import UserError
from hpconv.model.space import search_space
from hpconv.search import driver as search_driver
from hpconv.search.driver import Driver, export, fingerprint
from hpconv.search.rounds import NO_ENSEMBLE
from hpconv.status.files import StatusFiles
from hpconv.status.progress import MAX_CONSECUTIVE_FAILURES
from hpconv.status.record import Status
from hpconv.storage.store import Store
from tests.conftest import until

SETTINGS = SearchSettings("tpe", max_evals=8, startup_trials=4, seed=3, patience_minutes=1)
MODEL = ModelSettings((16,), (32,), 100, 100, 1000, 10, 10)  # one size is a choice too
GROW = EnsembleSettings(grow=True, min_ok_per_round=2, min_valid_per_round=1)

SECOND = 1 / 60  # in minutes


def objective(config: Any) -> float:
    """Workers evaluate; these tests answer in their place."""
    return 0.0


def answer(trial: dict[str, Any]) -> dict[str, Any]:
    """A third of the trials fail, the others have a loss that depends on them."""
    if trial["tid"] % 3 == 2:
        cause = {"kind": "homogeneous", "reason": "as it is"}
        return {"status": "fail", "failure": cause}
    return {"status": "ok", "loss": trial["misc"]["vals"]["exit"][0] / 10}


def work(store: Store, result: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer each trial at once."""
    store.heartbeat("worker", None)
    while not store.search.is_over():
        trial = store.reserve("worker")
        if trial is not None:
            store.finish(trial, "worker", result(trial))
    store.remove_worker("worker")


def driver(
    store: Store,
    settings: SearchSettings = SETTINGS,
    ensemble: EnsembleSettings = NO_ENSEMBLE,
    **watched: Any,
) -> Driver:
    domain = Domain(objective, search_space(MODEL.output_sizes, MODEL.max_layer_sizes))
    return Driver(store, domain, settings, "a fingerprint", ensemble=ensemble, **watched)


def search(
    store: Store,
    settings: SearchSettings = SETTINGS,
    result: Callable[[dict[str, Any]], dict[str, Any]] = answer,
    ensemble: EnsembleSettings = NO_ENSEMBLE,
    **watched: Any,
) -> list[dict[str, Any]]:
    """Run a whole search with one worker; returns the hyperparameters of its trials."""
    with ThreadPoolExecutor(1) as pool:
        store.search.open("a fingerprint", "before")  # not over, when the worker looks
        store.search.release("before")
        pool.submit(work, store, result)
        driver(store, settings, ensemble, **watched).run()
    return [trials.hyperparameters(trial) for trial in store.finished()]


@pytest.fixture
def experiment(new_store: Callable[[], Store]) -> Callable[[str], Store]:
    def make(name: str) -> Store:
        store = new_store()
        store.exp_key += name
        return store

    return make


@pytest.mark.parametrize("algorithm", ["tpe", "forest", "anneal"])
def test_search_with_one_worker_is_reproducible(
    experiment: Callable[[str], Store], algorithm: str
) -> None:
    settings = replace(SETTINGS, algorithm=algorithm)
    first, again = (search(experiment(name), settings) for name in "ab")
    other = search(experiment("c"), replace(settings, seed=4))
    assert first == again != other


def test_failed_candidates_count_as_finished(store: Store) -> None:
    search(store)
    finished = store.finished()
    assert len(finished) == SETTINGS.max_evals
    assert {trial["result"]["status"] for trial in finished} == {"ok", "fail"}


def test_longer_search_continues_without_repeating_trials(store: Store) -> None:
    said: list[Status] = []
    first = search(store, show=said.append)
    ended = said[-1]
    assert (ended.state, ended.reason) == ("ended", "8 trials have finished (search.max_evals)")
    said.clear()
    longer = search(store, replace(SETTINGS, max_evals=14), show=said.append)
    assert longer[:8] == first
    assert len({str(sorted(values.items())) for values in longer}) == 14
    assert said[0].state == "searching"
    known = (said[0].best, said[0].failures, said[0].started)
    assert known == (ended.best, ended.failures, ended.started), "known from the first status on"
    assert said[0].trials == replace(ended.trials, max=14)
    assert said[0].seconds >= ended.seconds
    assert said[0].trials_per_hour is not None
    assert said[0].trials_per_hour > 0
    assert said[-1].trials.ok + said[-1].trials.failed == 14


@pytest.mark.parametrize("algorithm", ["tpe", "forest", "anneal"])
def test_resumed_ensemble_grows_as_an_uninterrupted_one(
    experiment: Callable[[str], Store], algorithm: str
) -> None:
    settings = replace(SETTINGS, algorithm=algorithm, startup_trials=2)
    longer = replace(settings, max_evals=20)
    once, twice = experiment("a"), experiment("b")
    search(once, longer, ensemble=GROW)
    search(twice, settings, ensemble=GROW)
    search(twice, longer, ensemble=GROW)
    miscs = [trial["misc"] for trial in once.finished()]
    assert miscs == [trial["misc"] for trial in twice.finished()]
    chain = miscs[-1]["boosting"]["members"]
    assert len(chain) > 2
    for parent, tid in zip([None, *chain], chain, strict=False):
        assert miscs[tid]["boosting"]["continues"] == parent


def test_search_without_ensemble_stores_no_membership(store: Store) -> None:
    search(store)
    assert not any("boosting" in trial["misc"] for trial in store.finished())


def test_finished_search_needs_no_worker_and_no_status_folder(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    search(store)
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        driver(store, live=StatusFiles(tmp_path / "file/live")).run()
    assert len(store.finished()) == SETTINGS.max_evals
    warnings = [record.getMessage() for record in caplog.records]
    assert [warning[:43] for warning in warnings] == ["no status is written, the search continues:"]


def test_trials_survive_a_pause_of_driver_and_server(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When both continue, the server's clock is an hour ahead; the worker was always there."""
    monkeypatch.setattr(search_driver, "RECONNECT_SECONDS", 60.0)
    searches = store.search._searches()

    def leader() -> dict[str, datetime]:
        return searches.find_one({"_id": store.exp_key})["driver"]

    store.search.open("a fingerprint", "before")
    store.search.release("before")
    store.heartbeat("worker", None)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(driver(store, replace(SETTINGS, max_evals=1)).run)
        until(store.count)
        trial, begun = store.reserve("worker"), leader()["beat"]
        hour_ago = begun - timedelta(hours=1)
        before = {"driver.beat": hour_ago, "driver.since": begun - timedelta(days=1)}
        searches.update_one({"_id": store.exp_key}, {"$set": before})
        store._workers.update_one({"_id": "worker"}, {"$set": {"heartbeat": hour_ago}})
        store._jobs.update_one({"_id": trial["_id"]}, {"$set": {"refresh_time": hour_ago}})
        until(lambda: leader()["beat"] > leader()["since"] > hour_ago)
        store.heartbeat("worker", trial)
        store.finish(trial, "worker", answer(trial))
        store.remove_worker("worker")
        running.result()


def test_driver_fails_after_patience_without_a_worker(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no worker was seen"):
        driver(store, replace(SETTINGS, patience_minutes=SECOND), live=StatusFiles(tmp_path)).run()
    assert store.search.is_over()
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["reason"].startswith("no worker was seen")


def test_status_of_a_stopped_driver_says_how_to_continue(store: Store) -> None:
    said: list[Status] = []

    def stopped_by_a_signal(status: Status) -> None:
        said.append(status)
        if status.state == "searching":
            sys.exit(143)

    with pytest.raises(SystemExit):
        driver(store, show=stopped_by_a_signal).run()
    assert said[-1].state == "failed"
    assert said[-1].reason is not None
    assert said[-1].reason.endswith("the same command continues the search")
    assert not store.search.is_over()


def test_driver_reports_the_error_that_ended_the_last_worker(store: Store) -> None:
    leader = driver(store)
    store.search.open("a fingerprint", leader._name)
    leader._fill_queue()
    trial = store.reserve("worker")
    assert trial is not None
    store.fail(trial, "worker", "Traceback\nKeyError: 'x'\n")
    with pytest.raises(UserError, match="KeyError: 'x'"):
        leader.run()


@pytest.mark.parametrize(
    ("bound", "reason", "least"),
    [
        ({"target_loss": 0.0}, "a loss of 0 is reached", 1),
        ({"no_improvement_trials": 5}, "no improvement in 5 trials", 6),
        ({"max_minutes": 2 * SECOND}, "minutes have passed", 1),
    ],
)
def test_search_stops_at_other_bounds_before_max_evals(
    store: Store, bound: dict[str, float], reason: str, least: int
) -> None:
    settings = replace(SETTINGS, max_evals=100_000, **bound)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool:
        store.search.open("a fingerprint", "before")
        store.search.release("before")
        pool.submit(work, store, lambda trial: {"status": "ok", "loss": 0.0})
        assert reason in driver(store, settings).run()
    assert least <= len(store.finished()) < 1000
    assert reason in driver(store, settings).run(), "a rerun finds nothing to do"


def test_driver_fails_after_too_many_consecutive_failures(store: Store) -> None:
    cause = {"kind": "homogeneous", "reason": "as it is"}
    settings = replace(SETTINGS, algorithm="random", max_evals=1000)
    with pytest.raises(UserError, match=f"all failed \\({MAX_CONSECUTIVE_FAILURES} homogeneous"):
        search(store, settings, lambda trial: {"status": "fail", "failure": cause})


def test_queue_holds_one_and_a_half_trials_per_worker(store: Store) -> None:
    for worker in range(8):
        store.heartbeat(f"worker {worker}", None)
    leader = driver(store, replace(SETTINGS, max_evals=100))
    store.search.open("a fingerprint", leader._name)
    leader._heartbeat(force=True)
    leader._fill_queue()
    assert store.count() == 8 + 4
    leader._fill_queue()
    assert store.count() == 8 + 4


def test_second_driver_is_refused(store: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(driver(store, replace(SETTINGS, patience_minutes=10 * SECOND)).run)
        led = {"_id": store.exp_key, "driver.name": {"$gt": ""}}
        until(lambda: store.search._searches().find_one(led))
        with pytest.raises(UserError, match="another driver, .*, leads the search"):
            driver(store).run()
        assert not store.search.is_over()
        assert "no worker was seen" in str(first.exception())
    assert store.count() == 1


def test_search_is_not_continued_in_another_space(store: Store) -> None:
    store.search.open("a fingerprint", "before")  # of a version that did not record the space
    store.search.release("before")
    settings = replace(SETTINGS, patience_minutes=0.1 * SECOND)
    with pytest.raises(UserError, match="no worker was seen"):
        driver(store, settings).run()
    domain = Domain(objective, search_space((16,), (48,)))
    with pytest.raises(UserError, match="another search space, that of another version of hpconv"):
        Driver(store, domain, settings, "a fingerprint").run()
    with pytest.raises(UserError, match="no worker was seen"):
        driver(store, settings).run()


def test_fingerprint_ignores_engine_and_batch_size() -> None:
    one = fingerprint("data", MODEL)
    assert fingerprint("data", replace(MODEL, engine="cpu", batch_size=7)) == one
    assert fingerprint("data", replace(MODEL, max_n_features=7)) != one
    assert fingerprint("other data", MODEL) != one


def test_fingerprint_includes_what_defines_an_ensembles_loss() -> None:
    one = fingerprint("data", MODEL)
    assert fingerprint("data", MODEL, replace(NO_ENSEMBLE, bagging_fraction=1.0)) == one
    growing = fingerprint("data", MODEL, GROW)
    assert fingerprint("data", MODEL, replace(GROW, min_ok_per_round=9)) == growing != one
    assert fingerprint("data", MODEL, replace(GROW, bagging_fraction=1.0)) != growing


def test_export_and_live_files_hold_every_trial(store: Store, tmp_path: Path) -> None:
    live = tmp_path / "live"
    search(store, live=StatusFiles(live))
    export(store, tmp_path / "trials.jsonl")
    exported = trials.read(tmp_path / "trials.jsonl")
    assert [trial["tid"] for trial in exported] == list(range(8))
    assert [trials.hyperparameters(t) for t in exported] == [
        trials.hyperparameters(t) for t in store.finished()
    ]
    assert trials.read(live / "trials.jsonl") == exported
    status = json.loads((live / "status.json").read_text())
    assert (status["experiment"], status["state"]) == (store.exp_key, "ended")
    assert status["reason"] == "8 trials have finished (search.max_evals)"
    done = {"max": 8, "ok": 6, "stopped": 0, "failed": 2, "lost": 0}
    assert status["trials"] == done | {"running": 0, "queued": 0}
    assert status["failures"] == {"homogeneous": 2}
    best = trials.succeeded(exported)[0]
    assert (status["best"]["tid"], status["best"]["error"]) == (best["tid"], best["result"]["loss"])
    assert [path.stat().st_mode & 0o777 for path in live.iterdir()] == [0o644, 0o644]


def test_trial_records_the_source_of_its_values(experiment: Callable[[str], Store]) -> None:
    for algorithm, expected in (("tpe", ["random"] * 4 + ["tpe"] * 2), ("anneal", ["anneal"] * 6)):
        store = experiment(algorithm)
        leader = driver(store, replace(SETTINGS, algorithm=algorithm))
        store.search.open("a fingerprint", leader._name)
        for tid in range(6):
            leader._fill_queue()
            trial = store.reserve("worker")
            assert trial is not None
            store.finish(trial, "worker", {"status": "ok", "loss": tid / 10})
            leader._record_finished(store.finished([tid]))
        assert [trial["misc"]["source"] for trial in store.finished()] == expected


def test_status_lists_workers_and_their_trials(store: Store) -> None:
    said: list[Status] = []
    leader = driver(store, replace(SETTINGS, max_evals=100), show=said.append)
    store.search.open("a fingerprint", leader._name)
    for name in ("node8:1:aa", "node7:2:bb"):
        store.heartbeat(name, None)
    leader._heartbeat(force=True)
    leader._fill_queue()
    store.reserve("node8:1:aa")
    store.reserve("node9:33")  # of hyperopt, which has no heartbeat
    leader._publisher._last_query = float("-inf")  # it is time to look again
    leader._heartbeat(force=True)
    first, status = said[0], said[-1]  # a slow machine publishes more
    assert [worker.tid for worker in first.workers] == [None, None]
    workers = [(each.host, each.name, each.tid) for each in status.workers]
    assert workers == [
        ("node7", "node7:2:bb", None),
        ("node8", "node8:1:aa", 0),
        ("node9", "node9:33", 1),
    ]
    assert status.workers[1].trial_seconds is not None
    assert 0 <= status.workers[1].trial_seconds < 60
    assert (status.trials.running, status.trials.queued) == (2, 1)


def test_the_driver_tells_its_algorithm_which_trials_are_pending(store: Store) -> None:
    """Also one that continues another's search: both suggest as if they had never stopped."""
    settings = replace(SETTINGS, max_evals=100, startup_trials=1)
    suggested = []
    for worker in range(4):
        store.heartbeat(f"worker {worker}", None)
    first = driver(store, settings)
    store.search.open("a fingerprint", first._name)
    first._heartbeat(force=True)
    first._fill_queue()
    store.reserve("worker 0")
    store.search.release(first._name)
    later = driver(store, settings)
    store.search.open("a fingerprint", later._name)
    later._continue()
    for leader in (first, later):
        assert leader._next_tid == 6
        suggested.append(leader._next_trial()["misc"])
    assert suggested[0] == suggested[1]
    fresh = driver(store, settings)
    fresh._next_tid = 6
    assert fresh._next_trial()["misc"] != suggested[0]


def one_in_five_is_feasible(values: dict[str, Any]) -> bool:
    """Whether a candidate is feasible, which for these tests depends on all its values."""
    return round(values["warp_osize"] + 1e6 * sum(map(float, values.values()))) % 5 == 0


@pytest.mark.parametrize("algorithm", ["tpe", "forest", "anneal"])
def test_a_refused_suggestion_is_drawn_again_and_a_resumed_driver_repeats_it(
    experiment: Callable[[str], Store], algorithm: str
) -> None:
    settings = replace(SETTINGS, algorithm=algorithm)
    longer = replace(settings, max_evals=14)
    once, twice, every = experiment("a"), experiment("b"), experiment("c")
    search(once, longer, is_feasible=one_in_five_is_feasible)
    search(twice, settings, is_feasible=one_in_five_is_feasible)
    said: list[Status] = []
    search(twice, longer, is_feasible=one_in_five_is_feasible, show=said.append)
    miscs = [trial["misc"] for trial in once.finished()]
    assert miscs == [trial["misc"] for trial in twice.finished()]
    assert all(map(one_in_five_is_feasible, map(trials.hyperparameters, once.finished())))
    assert sum(misc["redrawn"] for misc in miscs) == said[-1].redraws > 14
    search(every, settings)
    assert {trial["misc"]["redrawn"] for trial in every.finished()} == {0}


def test_an_ensemble_redraws_from_its_round(store: Store) -> None:
    settings = replace(SETTINGS, startup_trials=1, max_evals=12)
    search(store, settings, ensemble=GROW, is_feasible=one_in_five_is_feasible)
    finished = store.finished()
    assert all(map(one_in_five_is_feasible, map(trials.hyperparameters, finished)))
    assert len(finished[-1]["misc"]["boosting"]["members"]) > 1


@pytest.mark.parametrize("algorithm", ["tpe", "forest", "anneal"])
def test_the_first_trials_are_the_given_ones_and_a_resumed_driver_repeats_them(
    experiment: Callable[[str], Store], algorithm: str
) -> None:
    settings = replace(SETTINGS, algorithm=algorithm)
    first = search(experiment("earlier"), replace(settings, seed=9))[:6]
    once, twice, without = experiment("once"), experiment("twice"), experiment("without")
    values = search(once, settings, first=first, is_feasible=lambda values: values not in first)
    search(twice, replace(settings, max_evals=3), first=first)
    search(twice, settings, first=first)
    assert values[:6] == first
    miscs = [trial["misc"] for trial in once.finished()]
    assert miscs == [trial["misc"] for trial in twice.finished()]
    later = algorithm  # startup_trials counts the given ones
    assert [misc["source"] for misc in miscs] == ["start_from"] * 6 + [later] * 2
    assert {misc["redrawn"] for misc in miscs} == {0}
    others = search(without, settings)
    same = values[6:] == others[6:]
    assert same == (algorithm == "random"), "others learn from the first trials"


def test_a_search_that_has_begun_takes_only_the_trials_whose_turn_has_not_passed(
    experiment: Callable[[str], Store],
) -> None:
    first = search(experiment("earlier"), replace(SETTINGS, seed=9))[:5]
    store = experiment("begun")
    begun = search(store, replace(SETTINGS, max_evals=3))
    assert search(store, first=first)[:5] == begun + first[3:]
    assert [trial["misc"]["source"] for trial in store.finished()][2:5] == [
        *("random", "start_from", "start_from")
    ]


def test_trial_that_ended_since_the_last_query_is_not_replaced(store: Store) -> None:
    leader = driver(store, replace(SETTINGS, max_evals=1))
    store.search.open("a fingerprint", leader._name)
    leader._fill_queue()
    trial = store.reserve("worker")
    assert trial is not None
    store.finish(trial, "worker", {"status": "ok", "loss": 0.1})
    leader._fill_queue()
    assert store.count() == 1
