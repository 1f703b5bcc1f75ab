"""Speed of suggestions against hyperopt's TPE and Optuna's, on the published search space.

    pip install optuna
    python -m benchmarks.suggestions > table.md

One history for all, of what hpconv's TPE suggests one after another for synthetic losses; a
fifth of the trials fail. The contenders take turns, and the median of their times counts;
hpconv and hyperopt must suggest the same. Optuna has no normal and no quantised logarithmic
distribution: its ranges span three standard deviations, and steps replace quanta.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
from hyperopt import tpe, trials_from_docs
from hyperopt.base import JOB_STATE_DONE, Domain
from optuna import create_study, create_trial, logging
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from hpconv import trials
from hpconv.model import space_table
from hpconv.model.space import search_space
from hpconv.search.forest import ForestSampler
from hpconv.search.tpe import TPE

SPACE = search_space([32, 64], [64, 128])
DOMAIN = Domain(lambda assignment: 0.0, SPACE)
SIZES = (200, 1000, 5000)
STARTUP, ROUNDS = 20, 5
Document = dict[str, Any]
Suggest = Callable[[int], dict[str, Any]]


def finished(tid: int, values: dict[str, Any], rng: np.random.Generator) -> Document:
    """A trial document, failed or with a loss that depends on the choice of exit."""
    failed, loss = rng.random() < 0.2, rng.random() + 0.1 * abs(values["exit"] - 4)
    result = {"status": "fail"} if failed else {"status": "ok", "loss": loss}
    vals = {label: [values[label]] if label in values else [] for label in DOMAIN.params}
    idxs = {label: [tid] if label in values else [] for label in DOMAIN.params}
    misc = {"tid": tid, "idxs": idxs, "vals": vals}
    return {"tid": tid, "state": JOB_STATE_DONE, "result": result, "misc": misc}


def search(docs: list[Document], ours: TPE, size: int) -> None:
    """Continue a search until that many trials have finished."""
    for tid in range(len(docs), size):
        rng = np.random.default_rng(tid)
        docs.append(finished(tid, ours.suggest(tid, tid), rng))
        ours.tell(docs[-1:])


def by_hyperopt(docs: list[Document]) -> Suggest:
    history = trials_from_docs(docs, validate=False)

    def suggest(seed: int) -> dict[str, Any]:
        settings: dict[str, Any] = {"n_startup_jobs": STARTUP, "verbose": False}
        (doc,) = tpe.suggest([len(docs)], DOMAIN, history, seed, **settings)
        return trials.hyperparameters(doc)

    return suggest


def by_forest(docs: list[Document]) -> Suggest:
    """Each suggestion follows the end of a trial, so that it fits its trees."""
    sampler = ForestSampler(DOMAIN, STARTUP)
    sampler.tell(docs)

    def suggest(seed: int) -> dict[str, Any]:
        sampler.tell(docs[-1:])
        return sampler.suggest(len(docs), seed)

    suggest(0)  # compiles
    return suggest


def distribution(row: dict[str, Any]) -> BaseDistribution:
    """The nearest that Optuna has to a hyperparameter of the table."""
    named = (row["kw"].get(name) for name in ("low", "mu", "high", "sigma", "q"))
    numbers = [*row["args"], *(number for number in named if number is not None)]
    kind = row["dist"]
    if kind == "randint":
        return CategoricalDistribution(range(numbers[0]))
    if kind == "quniform":
        return IntDistribution(round(numbers[0]), round(numbers[1] - 0.1))
    low, high = numbers[:2]
    if kind.endswith("normal"):
        low, high = low - 3 * high, low + 3 * high
    if kind == "qloguniform":
        step = numbers[2]
        return IntDistribution(step, round(np.exp(high)), step=step)
    if kind.startswith("log"):
        return FloatDistribution(np.exp(low), np.exp(high), log=True)
    return FloatDistribution(low, high)


def parents_first() -> list[dict[str, Any]]:
    """Rows of the table, each after the choices that it depends on."""
    rows, ordered = space_table.table(SPACE), {}
    while rows:
        ready = [row for row in rows if set(row["condition"]) <= set(ordered)]
        ordered |= {row["label"]: row for row in ready}
        rows = [row for row in rows if row["label"] not in ordered]
    return list(ordered.values())


ROWS = parents_first()
DISTRIBUTIONS = {row["label"]: distribution(row) for row in ROWS}


def objective(trial: Trial) -> dict[str, Any]:
    """The conditional space, by suggest calls of the active hyperparameters."""
    drawn: dict[str, Any] = {}
    for row in ROWS:
        if all(drawn.get(choice) in options for choice, options in row["condition"].items()):
            drawn[row["label"]] = suggest_one(trial, row["label"])
    return drawn


def suggest_one(trial: Trial, label: str) -> Any:
    of = DISTRIBUTIONS[label]
    if isinstance(of, CategoricalDistribution):
        return trial.suggest_categorical(label, of.choices)
    if isinstance(of, IntDistribution):
        return trial.suggest_int(label, of.low, of.high, step=of.step)
    return trial.suggest_float(label, of.low, of.high, log=of.log)


def to_optuna(label: str, value: Any) -> Any:
    """A value of the history as near as Optuna's distribution allows."""
    allowed = DISTRIBUTIONS[label]
    if isinstance(allowed, CategoricalDistribution):
        return value
    value = min(max(value, allowed.low), allowed.high)
    return int(value) if isinstance(allowed, IntDistribution) else value


def frozen(doc: Document) -> FrozenTrial:
    drawn = trials.hyperparameters(doc)
    loss = doc["result"].get("loss")
    return create_trial(
        state=TrialState.FAIL if loss is None else TrialState.COMPLETE,
        value=loss,
        params={label: to_optuna(label, value) for label, value in drawn.items()},
        distributions={label: DISTRIBUTIONS[label] for label in drawn},
    )


def by_optuna(docs: list[Document]) -> Suggest:
    study = create_study(sampler=TPESampler(n_startup_trials=STARTUP, seed=0))
    study.add_trials(map(frozen, docs))
    return lambda seed: objective(study.ask())


def measure(contenders: dict[str, Suggest]) -> dict[str, float]:
    """The median seconds of a suggestion."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for seed in range(ROUNDS):
        suggested = {}
        for name, suggest in contenders.items():
            start = time.perf_counter()
            suggested[name] = suggest(seed)
            times[name].append(time.perf_counter() - start)
        assert suggested["hpconv.search.tpe"] == suggested["hyperopt.tpe"]
    return {name: median(seconds) for name, seconds in times.items()}


def main() -> None:
    logging.set_verbosity(logging.WARNING)
    docs: list[Document] = []
    ours = TPE(DOMAIN, STARTUP)
    rows: dict[str, list[str]] = {}
    for size in SIZES:
        search(docs, ours, size)
        contenders: dict[str, Suggest] = {
            "hpconv.search.tpe": partial(ours.suggest, size),
            "hyperopt.tpe": by_hyperopt(docs),
            "hpconv.search.forest": by_forest(docs),
            "Optuna TPESampler": by_optuna(docs),
        }
        for name, seconds in measure(contenders).items():
            rows.setdefault(name, [name]).append(f"{seconds * 1e3:.1f} ms ({1 / seconds:.1f}/s)")
    versions = [f"{name} {version(name)}" for name in ("hyperopt", "optuna", "numpy", "scipy")]
    print(f"One suggestion, {len(ROWS)} hyperparameters; " + ", ".join(versions) + "\n")
    header = ["", *(f"{size} trials" for size in SIZES)]
    for line in (header, ["---"] * len(header), *rows.values()):
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
