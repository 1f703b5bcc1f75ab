"""Random sequences of operations on a real store, compared with a model of the queue."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import integers, sampled_from

from hpconv.storage.store import MAX_ATTEMPTS, Store, TrialLost
from hpconv.trials import Trial

STATES = (JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR)
OPERATIONS: dict[str, tuple[Any, ...]] = {
    "insert": (),
    "insert_again": (),
    "reserve": ("a",),
    "heartbeat": (0,),
    "finish": (0,),
    "fail": (0,),
    "give_back": ("a",),
    "fall_silent": (),
}
Reservation = tuple[str, datetime]  # by whom and when

workers = sampled_from(["a", "b"])
places = integers(0, 7)  # in the list of reservations, from the latest on


@dataclass
class Expected:
    """A trial as it should be; ``by`` stays after its end."""

    state: int = JOB_STATE_NEW
    by: Reservation | None = None
    attempts: int = 0
    outcome: Any = None


class Queue(RuleBasedStateMachine):
    """One experiment, with two workers that keep all the reservations that they ever had."""

    losses, experiments = count(), count()

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.store.exp_key = f"queue {next(self.experiments)}"
        self.trials: list[Expected] = []  # by tid
        self.reserved: list[Trial] = []

    @initialize()
    def begin_to_work(self) -> None:
        """From now on every operation is possible."""
        self.insert()
        self.reserve("a")

    @rule()
    def insert(self) -> None:
        self.trials.append(Expected())
        self.store.insert(new_trial(len(self.trials) - 1))

    @rule()
    def insert_again(self) -> None:
        """The acknowledgement was lost."""
        self.store.insert(new_trial(len(self.trials) - 1))

    @rule(worker=workers)
    def reserve(self, worker: str) -> None:
        taken = self.store.reserve(worker)
        waiting = [tid for tid, trial in enumerate(self.trials) if trial.state == JOB_STATE_NEW]
        assert [taken["tid"]] == waiting[:1] if taken else not waiting
        if taken:
            self.reserved.insert(0, taken)
            trial = self.trials[taken["tid"]]
            trial.state, trial.by = JOB_STATE_RUNNING, reservation(taken)

    @rule(place=places)
    def heartbeat(self, place: int) -> None:
        taken = self.reserved[place % len(self.reserved)]
        trial = self.trials[taken["tid"]]
        held = (trial.state, trial.by) == (JOB_STATE_RUNNING, reservation(taken))
        self.attempt(held, lambda: self.store.heartbeat(taken["owner"], taken))

    @rule(place=places)
    def finish(self, place: int) -> None:
        result = {"status": "ok", "loss": next(self.losses)}
        self.end(place, JOB_STATE_DONE, self.store.finish, result)

    @rule(place=places)
    def fail(self, place: int) -> None:
        self.end(place, JOB_STATE_ERROR, self.store.fail, f"error {next(self.losses)}")

    def end(self, place: int, state: int, end: Callable[..., None], outcome: Any) -> None:
        """Only the holder ends a trial; it may do so again, which changes nothing."""
        taken = self.reserved[place % len(self.reserved)]
        trial = self.trials[taken["tid"]]
        is_holder = trial.by == reservation(taken)
        if is_holder and trial.state == JOB_STATE_RUNNING:
            trial.state, trial.outcome = state, outcome
        may_end = is_holder and trial.state == state
        self.attempt(may_end, lambda: end(taken, taken["owner"], outcome))

    @rule(worker=workers)
    def give_back(self, worker: str) -> None:
        self.store.requeue_owned(worker)
        for trial in self.trials:
            if trial.state == JOB_STATE_RUNNING and trial.by and trial.by[0] == worker:
                trial.state, trial.by = JOB_STATE_NEW, None

    @rule()
    def fall_silent(self) -> None:
        """The leases of all running trials expire."""
        long_ago = datetime.now() - timedelta(days=1)
        running = {"exp_key": self.store.exp_key, "state": JOB_STATE_RUNNING}
        self.store._jobs.update_many(running, {"$set": {"refresh_time": long_ago}})
        self.store.requeue_expired()
        for trial in self.trials:
            if trial.state == JOB_STATE_RUNNING:
                trial.attempts, trial.by = trial.attempts + 1, None
                trial.state = JOB_STATE_NEW
                if trial.attempts == MAX_ATTEMPTS:
                    trial.state, trial.outcome = JOB_STATE_DONE, "lost"

    def attempt(self, allowed: bool, operation: Callable[[], None]) -> None:
        if allowed:
            operation()
        else:
            with pytest.raises(TrialLost):
                operation()

    @invariant()
    def store_equals_model(self) -> None:
        stored = self.store._jobs.find({"exp_key": self.store.exp_key}).sort("tid")
        assert [as_expected(trial) for trial in stored] == self.trials

    def teardown(self) -> None:
        assert sum(map(self.store.count, STATES)) == self.store.count() == len(self.trials)


def new_trial(tid: int) -> Trial:
    return {"tid": tid, "misc": {"tid": tid, "vals": {}}, "result": {"status": "new"}}


def reservation(trial: Trial) -> Reservation:
    return trial["owner"], trial["book_time"]


def as_expected(trial: Trial) -> Expected:
    result = trial["result"]
    outcome = trial.get("error") or (result if result["status"] == "ok" else None)
    if result.get("failure", {}).get("kind") == "lost":
        outcome = "lost"
    by = reservation(trial) if trial["owner"] else None
    return Expected(trial["state"], by, trial["attempts"], outcome)


@pytest.fixture
def queue(store: Store) -> Queue:
    """A trial, reserved."""
    queue = Queue(store)
    queue.begin_to_work()
    return queue


@pytest.mark.parametrize("first", OPERATIONS)
def test_any_operation_after_any_other(queue: Queue, first: str) -> None:
    for second in OPERATIONS:
        for name in (first, second):
            getattr(queue, name)(*OPERATIONS[name])
            queue.store_equals_model()


def test_random_operations(store: Store) -> None:
    run_state_machine_as_test(
        lambda: Queue(store),
        settings=settings(
            max_examples=5,
            stateful_step_count=60,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
