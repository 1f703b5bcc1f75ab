"""Our TPE against hyperopt's: the same suggestions, and the same distribution of them."""

from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, hp, rand, tpe
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, Domain, miscs_update_idxs_vals
from scipy.stats import chi2_contingency, ks_2samp

from hpconv.model.space import search_space
from hpconv.search.tpe import TPE
from hpconv.trials import hyperparameters

STARTUP = 20
SHARED = hp.lognormal("shared", 0, 1)
FLAT = {
    "uniform": hp.uniform("uniform", -3, 1),
    "quniform": hp.quniform("quniform", 0.5, 9.5, 1),
    "uniformint": hp.uniformint("uniformint", 0, 5),
    "loguniform": hp.loguniform("loguniform", -3, 2),
    "qloguniform": hp.qloguniform("qloguniform", -1, 4, 2),
    "normal": hp.normal("normal", 2, 3),
    "qnormal": hp.qnormal("qnormal", 2, 3, 0.5),
    "lognormal": hp.lognormal("lognormal", 0, 2),
    "qlognormal": hp.qlognormal("qlognormal", 1, 1, 2),
    "randint": hp.randint("randint", 7),
    "randint_from": hp.randint("randint_from", 5, 12),
    "choice": hp.choice("choice", ["a", "b", "c"]),
    "pchoice": hp.pchoice("pchoice", [(0.2, "a"), (0.7, "b"), (0.1, "c")]),
}
CONDITIONAL = hp.choice(
    "top",
    [
        {"left": hp.quniform("left", 0, 20, 2), "shared": SHARED},
        {"p": hp.pchoice("p", [(0.3, {"shared": SHARED}), (0.7, hp.uniform("deep", 0, 1))])},
        {"right": hp.normal("right", 0, 1)},
    ],
)
SPACES = {"published": search_space([32, 64], [64, 128]), "flat": FLAT, "nested": CONDITIONAL}


def history(domain: Domain, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Random trials; some have equal losses, some failed, some erred."""
    miscs = [{"tid": 3 * i + 1} for i in range(count)]  # others of the search still run
    tids = [misc["tid"] for misc in miscs]
    miscs_update_idxs_vals(miscs, *rand.suggest_batch(tids, domain, Trials(), seed))
    rng = np.random.default_rng(seed)
    docs = []
    for misc, fate in zip(miscs, rng.random(count), strict=True):
        result = {"status": "fail"} if fate < 0.2 else {"loss": round(fate, 2), "status": "ok"}
        state = JOB_STATE_ERROR if fate > 0.95 else JOB_STATE_DONE
        docs.append({"tid": misc["tid"], "state": state, "result": result, "misc": misc})
    return docs


def of_hyperopt(
    domain: Domain, docs: list[dict[str, Any]], seed: int, startup: int = STARTUP
) -> dict[str, Any]:
    trials = Trials()
    trials._insert_trial_docs(docs)
    trials.refresh()
    (doc,) = tpe.suggest([999], domain, trials, seed, n_startup_jobs=startup, verbose=False)
    return hyperparameters(doc)


def told(domain: Domain, docs: list[dict[str, Any]], startup: int = STARTUP) -> TPE:
    ours = TPE(domain, startup)
    ours.tell(docs)
    return ours


@pytest.fixture(params=SPACES, scope="module")
def domain(request: pytest.FixtureRequest) -> Domain:
    return Domain(lambda assignment: 0.0, SPACES[request.param])


@pytest.mark.parametrize("count", [25, 150])
def test_suggestions_are_those_of_hyperopt(domain: Domain, count: int) -> None:
    docs = history(domain, count)
    ours = told(domain, docs)
    for seed in range(8):
        assert ours.suggest(999, seed) == of_hyperopt(domain, docs, seed)


def test_trials_may_be_told_one_by_one_and_in_any_order(domain: Domain) -> None:
    docs = history(domain, 150)
    ours = TPE(domain, STARTUP)
    for i in np.random.default_rng(0).permutation(len(docs)):
        ours.tell([docs[i]])
    for seed in range(4):
        assert ours.suggest(999, seed) == of_hyperopt(domain, docs, seed)


def test_at_first_suggestions_are_random(domain: Domain) -> None:
    docs = history(domain, STARTUP)
    docs[3]["state"] = JOB_STATE_ERROR  # does not count
    for seed in range(4):
        (doc,) = rand.suggest([999], domain, Trials(), seed)
        suggested = told(domain, docs).suggest(999, seed)
        assert suggested == hyperparameters(doc) == of_hyperopt(domain, docs, seed)


def test_without_startup_an_empty_history_will_do(domain: Domain) -> None:
    assert TPE(domain, 0).suggest(999, 3) == of_hyperopt(domain, [], 3, startup=0)


def test_a_loss_that_is_no_number_is_not_seen(domain: Domain) -> None:
    docs = history(domain, 60)
    docs[10]["result"] = {"loss": np.nan, "status": "ok"}
    assert told(domain, docs).suggest(999, 3) == of_hyperopt(domain, docs, 3)


def test_values_are_plain_numbers(domain: Domain) -> None:
    for count in (STARTUP, 60):
        values = told(domain, history(domain, count)).suggest(999, 0).values()
        assert {type(value) for value in values} <= {int, float}


def test_other_seeds_give_suggestions_distributed_as_those_of_hyperopt() -> None:
    domain = Domain(lambda assignment: 0.0, CONDITIONAL)
    mine, theirs = [], []
    for i in range(6):
        docs = history(domain, 60, seed=i)
        ours = told(domain, docs)
        mine += [ours.suggest(999, seed) for seed in range(1000, 1080)]
        theirs += [of_hyperopt(domain, docs, seed) for seed in range(80)]
    for label in ("top", "p"):
        counts = [[drawn.get(label) for drawn in pool] for pool in (mine, theirs)]
        options = {option for pool in counts for option in pool}
        table = [[pool.count(option) for option in options] for pool in counts]
        assert chi2_contingency(table).pvalue > 0.001
    for label in ("left", "shared", "deep", "right"):
        samples = ([drawn[label] for drawn in pool if label in drawn] for pool in (mine, theirs))
        assert ks_2samp(*samples).pvalue > 0.001
