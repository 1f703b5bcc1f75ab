"""The driver on a real store: seeded, resumable, and never waiting for nobody."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from hpconv import trials
from hpconv.candidate import ModelSettings
from hpconv.driver import Driver, SearchSettings, export, fingerprint
from hpconv.errors import UserError
from hpconv.store import Store

SETTINGS = SearchSettings("tpe", max_evals=8, startup_trials=4, seed=3, patience_minutes=1)
MODEL = ModelSettings((16,), (32,), 100, 100, 1000, 10, 10)  # one size is a choice too


def work(store: Store) -> None:
    """Answer each trial at once: a third fail, the others have a loss that depends on them."""
    store.heartbeat("worker", None)
    while not store.search_is_over():
        trial = store.reserve("worker")
        if trial is None:
            continue
        exit_choice = trial["misc"]["vals"]["exit"][0]
        if trial["tid"] % 3 == 2:
            cause = {"kind": "homogeneous", "reason": "as it is"}
            result: dict[str, Any] = {"status": "fail", "failure": cause}
        else:
            result = {"status": "ok", "loss": exit_choice / 10}
        store.finish(trial, "worker", result)
    store.leave("worker")


@contextmanager
def one_worker(store: Store):  # type: ignore[no-untyped-def]
    thread = Thread(target=work, args=(store,))
    thread.start()
    yield
    thread.join()


def search(store: Store, settings: SearchSettings = SETTINGS) -> list[dict[str, Any]]:
    """Run a whole search with one worker; returns the hyperparameters of its trials."""
    store.open_search("a fingerprint")
    with one_worker(store):
        Driver(store, MODEL, settings).run()
    return [trials.hyperparameters(trial) for trial in store.finished()]


@pytest.fixture
def experiment(new_store: Callable[[], Store]) -> Callable[[str], Store]:
    def make(name: str) -> Store:
        store = new_store()
        store.exp_key += name
        return store

    return make


@pytest.mark.parametrize("algorithm", ["tpe", "random", "anneal"])
def test_a_seed_and_one_worker_give_the_same_trials(
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


def test_a_longer_search_continues_and_repeats_nothing(store: Store) -> None:
    first = search(store)
    longer = search(store, replace(SETTINGS, max_evals=14))
    assert longer[:8] == first
    assert len({str(sorted(values.items())) for values in longer}) == 14


def test_a_finished_search_needs_no_worker(store: Store) -> None:
    search(store)
    Driver(store, MODEL, SETTINGS).run()
    assert len(store.finished()) == SETTINGS.max_evals


def test_without_any_worker_the_driver_gives_up(store: Store) -> None:
    store.open_search("a fingerprint")
    impatient = replace(SETTINGS, patience_minutes=0.01)
    with pytest.raises(UserError, match="no worker was seen"):
        Driver(store, MODEL, impatient).run()


def test_when_the_last_worker_ended_on_an_error_the_driver_says_which(store: Store) -> None:
    store.open_search("a fingerprint")
    driver = Driver(store, MODEL, SETTINGS)
    driver._fill_queue(live_workers=1)
    trial = store.reserve("worker")
    assert trial is not None
    store.fail(trial, "worker", "Traceback\nKeyError: 'x'\n")
    with pytest.raises(UserError, match="KeyError: 'x'"):
        driver.run()


def test_how_features_are_computed_does_not_make_another_search() -> None:
    one = fingerprint("data", MODEL)
    assert fingerprint("data", replace(MODEL, engine="cpu", batch_size=7)) == one
    assert fingerprint("data", replace(MODEL, max_n_features=7)) != one
    assert fingerprint("other data", MODEL) != one


def test_the_export_holds_every_trial(store: Store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    search(store)
    export(store.finished(), tmp_path / "trials.jsonl")
    exported = trials.read(tmp_path / "trials.jsonl")
    assert [trial["tid"] for trial in exported] == list(range(8))
    assert [trials.hyperparameters(t) for t in exported] == [
        trials.hyperparameters(t) for t in store.finished()
    ]


def test_a_trial_that_ends_behind_the_drivers_back_is_not_made_up_for(store: Store) -> None:
    store.open_search("a fingerprint")
    driver = Driver(store, MODEL, replace(SETTINGS, max_evals=1))
    driver._fill_queue(live_workers=1)
    trial = store.reserve("worker")
    assert trial is not None
    store.finish(trial, "worker", {"status": "ok", "loss": 0.1})
    driver._fill_queue(live_workers=1)
    assert store.count() == 1
