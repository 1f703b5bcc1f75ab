"""The forest sampler and the unit coordinates in which it learns."""

from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, rand
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, Domain

from hpconv.model.space import evaluate, search_space
from hpconv.model.space_table import table
from hpconv.search.forest import ForestSampler
from hpconv.search.unit_space import Roles, UnitSpace
from hpconv.trials import Trial, hyperparameters

SPACE = search_space((32, 64), (64, 128))
DOMAIN = Domain(lambda assignment: 0.0, SPACE)
UNITS = UnitSpace(table(SPACE))


def drawn(count: int) -> list[dict[str, Any]]:
    """Hyperparameters that hyperopt draws from the prior."""
    trials = [rand.suggest([tid], DOMAIN, Trials(), tid)[0] for tid in range(count)]
    return [{k: v.item() for k, v in hyperparameters(trial).items()} for trial in trials]


def trial(tid: int, values: dict[str, Any], loss: float | None, state: int) -> Trial:
    vals = {label: [values[label]] if label in values else [] for label in DOMAIN.params}
    result: Any = {"status": "fail"} if loss is None else {"status": "ok", "loss": loss}
    return {
        "tid": tid,
        "state": state,
        "misc": {"tid": tid, "idxs": {}, "vals": vals},
        "result": result,
    }


def loss_of(values: dict[str, Any]) -> float:
    """A loss that depends on the exit, the regularisation in any exit, and a filter size."""
    regularisation = next(value for label, value in values.items() if label.endswith("l2_reg"))
    size = next(value for label, value in values.items() if label.endswith("fsize"))
    return 0.1 * abs(values["exit"] - 3) + 0.02 * abs(np.log10(regularisation) + 4) + 0.02 * size


def search(sampler: ForestSampler, count: int) -> list[float]:
    losses = []
    for tid in range(count):
        values = sampler.suggest(tid, seed=tid)
        losses.append(loss_of(values))
        sampler.tell([trial(tid, values, losses[-1], JOB_STATE_DONE)])
    return losses


def test_rows_hold_assignments_of_hyperopt() -> None:
    for values in drawn(60):
        row = UNITS.row(values)
        numbers = row[(UNITS.n_options == 0) & ~np.isnan(row)]
        assert ((numbers >= 0) & (numbers <= 1)).all()
        assert UNITS.values(row) == pytest.approx(values, rel=1e-6, abs=1e-9)


def test_draws_have_the_active_hyperparameters_of_the_space() -> None:
    for row in UNITS.draw(60, np.random.default_rng(0)):
        values = UNITS.values(row)
        evaluate(SPACE, values)  # raises if an active one is missing
        (again,) = UNITS.prune(np.where(np.isnan(row), 0.0, row)[None].copy())
        assert UNITS.values(again).keys() == values.keys()


def test_roles_are_shared_by_all_exits() -> None:
    roles = Roles(UNITS, SPACE)
    assert {"classifier.l2_reg", "filter.size", "pool.alpha", "warp.size"} <= set(roles.names)
    assert len(roles.names) < 80
    rows = np.array([UNITS.row(values) for values in drawn(30)])
    known = roles.of_rows(rows)
    assert not np.isnan(known[:, roles.names.index("classifier.l2_reg")]).any()
    filled = np.where(np.isnan(known), 0.5 * (roles.n_options == 0), known)
    np.testing.assert_array_equal(roles.to_rows(filled), rows)


def test_suggestion_depends_on_history_and_seed_only() -> None:
    history = [
        trial(tid, values, loss_of(values), JOB_STATE_DONE) for tid, values in enumerate(drawn(30))
    ]
    forward, backward = ForestSampler(DOMAIN, 20), ForestSampler(DOMAIN, 20)
    forward.tell(history)
    for each in reversed(history):
        backward.tell([each])
    assert forward.source == backward.source == "forest"
    assert forward.suggest(30, seed=7) == backward.suggest(30, seed=7)
    assert forward.suggest(30, seed=7) == forward.suggest(31, seed=7)
    assert forward.suggest(30, seed=7) != forward.suggest(30, seed=8)
    evaluate(SPACE, forward.suggest(30, seed=7))


def test_search_finds_better_trials_than_random_draws() -> None:
    found = search(ForestSampler(DOMAIN, 20), 80)
    rows = UNITS.draw(240, np.random.default_rng(0))
    at_random = [loss_of(UNITS.values(row)) for row in rows]
    assert min(found) < min(at_random)
    assert np.median(found[40:]) < np.quantile(at_random, 0.1)


def test_pending_and_erred_trials_do_not_count_as_ended() -> None:
    values = drawn(3)
    sampler = ForestSampler(DOMAIN, 2)
    sampler.tell(
        [trial(0, values[0], 0.5, JOB_STATE_DONE), trial(1, values[1], None, JOB_STATE_NEW)]
    )
    assert sampler.source == "random"
    sampler.tell([trial(1, values[1], None, JOB_STATE_ERROR)])
    assert sampler.source == "random"
    sampler.tell([trial(2, values[2], None, JOB_STATE_DONE)])  # a failed candidate has ended
    assert sampler.source == "forest"


def test_pending_trials_keep_others_away() -> None:
    history = [
        trial(tid, values, loss_of(values), JOB_STATE_DONE) for tid, values in enumerate(drawn(40))
    ]
    sampler = ForestSampler(DOMAIN, 20)
    sampler.tell(history)
    alone = [sampler.suggest(40, seed=seed)["exit"] for seed in range(12)]
    for tid, values in enumerate([sampler.suggest(40, seed=seed) for seed in range(12)], start=40):
        sampler.tell([trial(tid, values, None, JOB_STATE_NEW)])
    among_pending = [sampler.suggest(60, seed=seed)["exit"] for seed in range(12)]
    assert len(set(among_pending)) >= len(set(alone))
