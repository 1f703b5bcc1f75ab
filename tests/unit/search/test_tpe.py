"""Our algorithms against hyperopt's: the same suggestions from the same documents."""

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, anneal, hp, rand, tpe, trials_from_docs
from hyperopt.base import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    Domain,
    miscs_update_idxs_vals,
)
from scipy.stats import chi2_contingency, ks_2samp

from hpconv.model.space import search_space
from hpconv.search.algorithms import HyperoptAlgorithm
from hpconv.search.hyperopt_names import PINNED
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
        doc = {"tid": misc["tid"], "state": state, "result": result, "misc": misc, "spec": None}
        docs.append(doc)
    return docs


def of_hyperopt(
    domain: Domain, docs: list[dict[str, Any]], seed: int, startup: int = STARTUP, **settings: Any
) -> dict[str, Any]:
    trials = trials_from_docs(docs, validate=False)
    settings |= {"n_startup_jobs": startup, "verbose": False}
    (doc,) = tpe.suggest([999], domain, trials, seed, **settings)
    return hyperparameters(doc)


def told(domain: Domain, docs: list[dict[str, Any]], startup: int = STARTUP) -> TPE:
    ours = TPE(domain, startup)
    ours.tell(docs)
    return ours


@pytest.fixture(params=SPACES, scope="module")
def domain(request: pytest.FixtureRequest) -> Domain:
    return Domain(lambda assignment: 0.0, SPACES[request.param])


@pytest.mark.parametrize("count", [25, 150])
def test_suggestions_equal_hyperopts(domain: Domain, count: int) -> None:
    docs = history(domain, count)
    ours = told(domain, docs)
    for seed in range(8):
        assert ours.suggest(999, seed) == of_hyperopt(domain, docs, seed)


@pytest.mark.parametrize(("refusals", "candidates"), [(1, 12), (3, 3), (4, 1), (20, 1)])
def test_each_refusal_halves_hyperopts_candidates(
    domain: Domain, refusals: int, candidates: int
) -> None:
    docs = history(domain, 60)
    ours = told(domain, docs).suggest(999, 3, refusals)
    assert ours == of_hyperopt(domain, docs, 3, n_EI_candidates=candidates)


def test_order_of_told_trials_does_not_matter(domain: Domain) -> None:
    docs = history(domain, 150)
    ours = TPE(domain, STARTUP)
    for i in np.random.default_rng(0).permutation(len(docs)):
        ours.tell([docs[i]])
    for seed in range(4):
        assert ours.suggest(999, seed) == of_hyperopt(domain, docs, seed)


def pending(doc: dict[str, Any], state: int = JOB_STATE_NEW) -> dict[str, Any]:
    """The document of a trial before it ended."""
    return doc | {"state": state, "result": {"status": "new"}}


def lost(doc: dict[str, Any]) -> dict[str, Any]:
    """The document of a trial whose workers fell silent."""
    failure = {"kind": "lost", "reason": "3 workers fell silent with it"}
    return doc | {"state": JOB_STATE_DONE, "result": {"status": "fail", "failure": failure}}


def lives(docs: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Six workers' documents as a queue sees them, after each change of one of them.

    Every trial is queued and runs. Each fourth is queued again and runs again; of these, some are
    lost. Trials end in another order than they began, and the last ones never.
    """
    rng = np.random.default_rng(1)
    current: dict[int, dict[str, Any]] = {}
    steps: list[tuple[float, dict[str, Any]]] = []
    for i, doc in enumerate(docs):
        states = [JOB_STATE_NEW, JOB_STATE_RUNNING] * (1 + (i % 4 == 3))
        seen = [pending(doc, state) for state in states] + [lost(doc) if i % 8 == 3 else doc]
        times = i + np.cumsum(rng.exponential(12 / len(seen), len(seen)))
        steps += zip(times, seen, strict=True)
    for _, doc in sorted(steps, key=lambda step: step[0])[: -len(docs) // 10]:
        current[doc["tid"]] = doc
        yield list(current.values())


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents that a driver tells after a change."""
    return [doc for doc in after if doc not in before]


@pytest.mark.parametrize("states", [[JOB_STATE_NEW], [JOB_STATE_RUNNING, JOB_STATE_NEW]])
def test_pending_trials_are_seen_as_by_hyperopt(domain: Domain, states: list[int]) -> None:
    docs = history(domain, 60)
    docs += [
        pending(doc, states[i % len(states)]) for i, doc in enumerate(history(domain, 75)[60:])
    ]
    ours = told(domain, docs)
    without = told(domain, docs[:60])
    suggested = [ours.suggest(999, seed) for seed in range(8)]
    assert suggested == [of_hyperopt(domain, docs, seed) for seed in range(8)]
    assert suggested != [without.suggest(999, seed) for seed in range(8)]


def test_every_change_of_a_queue_is_seen_as_by_hyperopt(domain: Domain) -> None:
    ours, before = TPE(domain, STARTUP), []
    for step, documents in enumerate(lives(history(domain, 60))):
        ours.tell(changed(before, documents))  # type: ignore[arg-type]
        before = documents
        if step % 20 == 0:
            assert ours.suggest(999, step) == of_hyperopt(domain, documents, step)
    states = {(doc["state"], doc["result"].get("failure", {}).get("kind")) for doc in before}
    ended = {(JOB_STATE_DONE, None), (JOB_STATE_DONE, "lost"), (JOB_STATE_ERROR, None)}
    assert states == ended | {(JOB_STATE_NEW, None), (JOB_STATE_RUNNING, None)}
    assert ours.source == "tpe"


def test_a_trial_that_ends_on_an_error_is_forgotten(domain: Domain) -> None:
    docs = history(domain, 40)
    ours = told(domain, [pending(doc) for doc in docs])
    for state, result in ((JOB_STATE_ERROR, {"status": "new"}), (JOB_STATE_DONE, {"loss": np.nan})):
        docs[7] |= {"state": state, "result": result}
        ours.tell(docs)  # type: ignore[arg-type]
        for seed in range(4):
            assert ours.suggest(999, seed) == of_hyperopt(domain, docs, seed)


def test_pending_trials_count_as_startup_trials(domain: Domain) -> None:
    docs = [pending(doc) for doc in history(domain, STARTUP)]
    for count, source in ((STARTUP - 1, "random"), (STARTUP, "tpe")):
        ours = told(domain, docs[:count])
        assert ours.source == source
        for seed in range(4):
            assert ours.suggest(999, seed) == of_hyperopt(domain, docs[:count], seed)


@pytest.mark.parametrize(
    ("name", "suggest"), [("random", rand.suggest), ("anneal", anneal.suggest)]
)
def test_other_algorithms_see_the_documents_that_hyperopt_sees(
    domain: Domain, name: str, suggest: Callable[..., list[Any]]
) -> None:
    ours, before = HyperoptAlgorithm(name, domain), []
    for step, documents in enumerate(lives(history(domain, 40))):
        ours.tell(changed(before, documents))  # type: ignore[arg-type]
        before = documents
        if step % 20 == 0:
            (doc,) = suggest([999], domain, trials_from_docs(documents, validate=False), step)
            assert ours.suggest(999, step) == hyperparameters(doc)


def test_startup_suggestions_are_random(domain: Domain) -> None:
    docs = history(domain, STARTUP)
    docs[3]["state"] = JOB_STATE_ERROR  # does not count
    for seed in range(4):
        (doc,) = rand.suggest([999], domain, Trials(), seed)
        suggested = told(domain, docs).suggest(999, seed)
        assert suggested == hyperparameters(doc) == of_hyperopt(domain, docs, seed)


def test_without_startup_trials_the_history_may_be_empty(domain: Domain) -> None:
    assert TPE(domain, 0).suggest(999, 3) == of_hyperopt(domain, [], 3, startup=0)


def test_nan_loss_is_ignored(domain: Domain) -> None:
    docs = history(domain, 60)
    docs[10]["result"] = {"loss": np.nan, "status": "ok"}
    assert told(domain, docs).suggest(999, 3) == of_hyperopt(domain, docs, 3)


def test_values_are_plain_numbers(domain: Domain) -> None:
    for count in (STARTUP, 60):
        values = told(domain, history(domain, count)).suggest(999, 0).values()
        assert {type(value) for value in values} <= {int, float}


def test_another_hyperopt_without_a_private_name_is_refused_in_one_line() -> None:
    code = "from hyperopt import tpe; del tpe._default_gamma; import hpconv.search.tpe"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stderr.splitlines()[-1] == (
        f"hpconv.errors.UserError: hyperopt {version('hyperopt')} does not fit (module "
        "'hyperopt.tpe' has no attribute '_default_gamma'): run pip install 'hyperopt==0.3.0'"
    )


def test_hyperopt_is_pinned_to_the_version_whose_private_names_are_used() -> None:
    assert version("hyperopt") == PINNED
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert f"hyperopt=={PINNED}" in project["dependencies"]


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
