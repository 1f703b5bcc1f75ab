"""Rounds advance by the published rules, and an ensemble is what the trials say it is."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import hp
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, Domain

from hpconv.config import EnsembleSettings, SearchSettings
from hpconv.datasets.protocols import Task
from hpconv.errors import UserError
from hpconv.evaluation.select import best_ensemble
from hpconv.learners.ensemble_member import StoredMember, pack_member
from hpconv.model.space import search_space
from hpconv.objective.objective import Objective
from hpconv.search.algorithms import Algorithm, new_algorithm
from hpconv.search.rounds import Rounds, check_room
from hpconv.status.progress import Progress
from hpconv.storage.attachments import OBJECTIVE
from hpconv.storage.store import Store
from hpconv.trials import Trial, succeeded, table_row
from hpconv.worker.ensemble_members import MemberCache
from tests.unit.objective.test_objective import BUDGET, CANDIDATE, MODEL
from tests.unit.worker.test_hyperopt_worker import hyperopt_worker  # noqa: F401

SEARCH = SearchSettings("tpe", 100, startup_trials=2, seed=0, patience_minutes=1)
GROW = EnsembleSettings(grow=True, min_ok_per_round=2, min_valid_per_round=3)


def new_tpe() -> Algorithm:
    return new_algorithm(SEARCH, Domain(float, hp.uniform("x", 0, 1)))


def trial(
    tid: int,
    loss: float | None,
    members: tuple[int, ...] = (),
    state: int = JOB_STATE_DONE,
    **errors: float,
) -> Trial:
    """A trial that ended; without a loss it failed."""
    boosting = {"continues": members[-1] if members else None, "members": list(members)}
    values = {"x": [tid * 37 % 100 / 100]}
    result = {"status": "fail"} if loss is None else {"status": "ok", "loss": loss, **errors}
    document: Trial = {"tid": tid, "state": state, "result": result, "exp_key": None, "spec": None}
    document |= {"owner": "a worker", "refresh_time": None, "book_time": None}
    misc = {"tid": tid, "cmd": None, "idxs": {"x": [tid]}, "vals": values, "boosting": boosting}
    return document | {"misc": misc}


def error(tid: int) -> Trial:
    return trial(tid, None, state=JOB_STATE_ERROR) | {"error": "KeyError"}


FIRST = [trial(0, 0.5), trial(1, 0.3), trial(2, None)]  # a complete round, 1 wins
SECOND = [trial(3, 0.29, (1,)), trial(4, 0.28, (1,)), trial(5, 0.4, (1,))]  # 4 wins


@pytest.mark.parametrize(
    ("trials", "changes", "members"),
    [
        ([], {}, []),
        (FIRST[:2], {}, []),  # two are ok, only two are valid
        ([trial(0, 0.5), trial(1, None), trial(2, None)], {}, []),  # only one is ok
        ([*FIRST[:2], error(2)], {}, []),  # an error is not valid
        ([*FIRST[:2], error(2)], {"min_valid_per_round": 2}, [1]),
        (FIRST, {}, [1]),
        (FIRST, {"absolute_loss_thresh": 0.4}, []),
        (FIRST, {"absolute_loss_thresh": 0.5}, [1]),
        ([*FIRST, trial(3, 0.3)], {}, [1]),  # of equals the older
        ([*FIRST, trial(3, 0.2)], {}, [3]),  # a straggler of the first round wins it
        ([*FIRST, *SECOND[:2]], {}, [1]),
        ([*FIRST, *SECOND], {}, [1, 4]),
        ([*FIRST, *SECOND], {"relative_loss_thresh": 0.95}, [1, 4]),
        ([*FIRST, *SECOND], {"relative_loss_thresh": 0.9}, [1]),  # 0.28 is no less than 0.27
        ([*FIRST, *SECOND, trial(6, 0.1)], {}, [6]),  # nobody has continued it yet
        ([*FIRST, *SECOND], {"grow": False}, None),
    ],
)
def test_a_rounds_winner_is_continued_by_the_published_rules(
    trials: list[Trial], changes: dict[str, Any], members: list[int] | None
) -> None:
    settings = replace(GROW, **changes)
    for order in (trials, trials[::-1]):
        rounds = Rounds(settings, new_tpe)
        for each in order:
            rounds.tell([each])
        expected = {
            "continues": members[-1] if members else None,
            "members": members,
            "bagging_fraction": 0.5,
        }
        assert rounds.notes() == ({} if members is None else {"boosting": expected})


def test_an_equal_loss_is_no_improvement_by_a_threshold_of_one() -> None:
    again = [trial(tid, 0.3, (1,)) for tid in (3, 4, 5)]
    for threshold, members in ((None, [1, 3]), (1.0, [1])):
        rounds = Rounds(replace(GROW, relative_loss_thresh=threshold), new_tpe)
        rounds.tell([*FIRST, *again])
        assert rounds.notes()["boosting"]["members"] == members


def test_suggestions_of_a_round_come_from_its_own_trials() -> None:
    siblings = [trial(tid, 0.6 + tid / 100, (1,)) for tid in range(10, 18)]
    settings = replace(GROW, relative_loss_thresh=1.0)  # by which no sibling wins
    rounds, alone, everything = Rounds(settings, new_tpe), new_tpe(), new_tpe()
    rounds.tell([*FIRST, *siblings])
    alone.tell(siblings)
    everything.tell([*FIRST, *siblings])
    suggested = rounds.suggest(50, seed=5)
    assert suggested == alone.suggest(50, seed=5) != everything.suggest(50, seed=5)


def test_pending_trials_belong_to_their_round_and_win_nothing() -> None:
    waiting = [trial(tid, None, (1,), state=JOB_STATE_NEW) for tid in range(10, 14)]
    rounds, alone = Rounds(GROW, new_tpe), new_tpe()
    rounds.tell([*FIRST, *SECOND[:2]])
    alone.tell([*SECOND[:2], *waiting])
    assert rounds.suggest(50, seed=5) != alone.suggest(50, seed=5)
    rounds.tell(waiting)
    assert rounds.suggest(50, seed=5) == alone.suggest(50, seed=5)
    assert rounds.notes()["boosting"]["members"] == [1]
    rounds.tell([trial(13, 0.1, (1,))])
    assert rounds.notes()["boosting"]["members"] == [1, 13]


def test_the_best_ensemble_has_the_lowest_error_together() -> None:
    second = trial(3, 0.25, (1,), own_error=0.4, ensemble_error=0.1)
    third = trial(4, 0.2, (1, 3), own_error=0.2, ensemble_error=0.2)
    trials = [*FIRST, second, third]
    assert best_ensemble(trials) == [1, 3]
    assert best_ensemble(FIRST) == [1]
    assert [winner["tid"] for winner in succeeded(trials)] == [4, 1, 3, 0]


def test_without_a_success_there_is_no_ensemble() -> None:
    with pytest.raises(UserError, match="none of 1 trials succeeded"):
        best_ensemble([trial(0, None)])


def test_a_search_has_reached_its_target_when_its_best_ensemble_has() -> None:
    settings = SearchSettings(max_evals=100, target_loss=0.1)
    progress = Progress()
    progress.tell(trial(0, 0.2))
    assert progress.reason_to_stop(settings, 0) is None
    progress.tell(trial(1, 0.25, (0,), own_error=0.4, ensemble_error=0.1))
    assert progress.reason_to_stop(settings, 0) == "a loss of 0.1 is reached (search.target_loss)"


def test_a_table_tells_what_a_trial_continues() -> None:
    row = table_row(trial(3, 0.25, (1,), own_error=0.4, ensemble_error=0.1))
    assert (row["continues"], row["own_error"], row["ensemble_error"]) == (1, 0.4, 0.1)


class Ready:
    """A fitted member."""

    penalty = np.array([0.1, 0.2])

    def scores(self, task: Task) -> np.ndarray:
        return np.outer(task.rows, [1.0, 2.0])


def test_a_stored_member_knows_the_tasks_that_it_was_stored_for() -> None:
    train, validation = (Task(name, np.arange(n), np.arange(n)) for name, n in [("a", 3), ("b", 2)])
    member = StoredMember(pack_member(Ready(), (train, validation)))
    np.testing.assert_allclose(member.penalty, Ready.penalty)
    for task in (train, validation):
        np.testing.assert_array_equal(member.scores(task), Ready().scores(task))
        assert member.scores(task).dtype == "float32"


def test_hyperopts_worker_goes_on_from_our_trials_and_we_from_its(
    server: Path,
    store: Store,
    digits: Path,
    tmp_path: Path,
    hyperopt_worker: Callable[[int], subprocess.Popen],  # noqa: F811
) -> None:
    ours = [sys.executable, "-m", "hpconv", "worker", "--connection", str(server)]
    ours += ["--exp-key", store.exp_key, "--max-jobs", "1", "--workdir", str(tmp_path)]
    space = search_space(MODEL.output_sizes, MODEL.max_layer_sizes)
    few_features = replace(MODEL, max_n_features=32)
    store.attachments.put_objective(Domain(Objective(digits, few_features, BUDGET), space))
    vals = {label: [value] for label, value in CANDIDATE.items()}
    for tid in range(3):
        before = list(range(tid))
        said = {"continues": tid - 1 if tid else None, "members": before, "bagging_fraction": 0.5}
        misc = {"tid": tid, "cmd": ["domain_attachment", OBJECTIVE], "workdir": None}
        misc |= {"idxs": {label: [tid] for label in vals}, "vals": vals, "boosting": said}
        store.insert({"tid": tid, "spec": None, "misc": misc, "result": {"status": "new"}})
    subprocess.run(ours, check=True, timeout=180)
    assert hyperopt_worker(2).wait(60) == 0
    trials = store.finished()
    assert [type(trial["owner"]) for trial in trials] == [str, list, list]
    first, *others = (trial["result"] for trial in trials)
    for result in others:
        assert result["own_error"] == pytest.approx(first["loss"])
        assert result["loss"] == pytest.approx((result["own_error"] + result["ensemble_error"]) / 2)
    history = MemberCache(store).members_of(trial(3, None, (0, 1, 2)))
    assert [each["tid"] for each, _ in history] == [0, 1, 2]
    assert all(StoredMember(blob).penalty.shape == (10,) for _, blob in history)


def test_scores_that_would_not_fit_are_refused_at_once(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_room(digits)
    monkeypatch.setattr("hpconv.search.rounds.MAX_BYTES", 50_000)
    with pytest.raises(UserError, match="'ensemble.grow' is true"):
        check_room(digits)
