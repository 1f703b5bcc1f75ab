"""Evaluation of candidates: error rates, failures with their reasons, programming errors."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt import Trials, rand
from hyperopt.base import Domain

from hpconv.config import Budget, ModelSettings
from hpconv.datasets.protocols import Selection
from hpconv.engines import choose
from hpconv.errors import CandidateError
from hpconv.model.space import search_space
from hpconv.objective import objective
from hpconv.objective.extraction import IMAGES_TO_COMPARE, ConstantCheck
from hpconv.trials import hyperparameters, to_builtin_types

MODEL = ModelSettings(
    output_sizes=(16,),
    max_layer_sizes=(),
    n_patches=1000,
    max_n_features=800,
    max_row_elements=50_000,
    n_unsupervised=100,
    batch_size=200,
)
CANDIDATE = {
    "exit": 0, "warp": 0, "warp_osize": 0,
    "l0eg_fsize": 5.0, "l0eg_res": 0, "l0eg_alpha": 0.2, "l0eg_order": 0,
    "l0eg_fbncc_algo": 2, "l0eg_fbncc_beta": 1.0, "l0eg_fbncc_hard": 0,
    "l0eg_fbncc_remove_mean": 1, "l0eg_fbncc_wp_gamma": 0.1,
    "l0eg_fbncc_wp_rseed": 0, "l0eg_fbncc_patch_rseed": 0,
    "l0eg_remove_std0": 1, "l0eg_varthresh": 1e-4, "l0eg_l2_reg": 1e-4, "l0eg_divrowl2": 1,
}  # fmt: skip


BUDGET = Budget(trial_seconds=60, images_per_second=1, trial_memory_mb=4096)


def run(digits: Path, budget: Budget = BUDGET, **changes: Any) -> dict[str, Any]:
    return objective.evaluate(CANDIDATE | changes, Selection(digits), MODEL, budget)


def test_good_candidate_has_low_validation_error(digits: Path) -> None:
    result = run(digits)
    assert result["status"] == "ok"
    assert result["loss"] < 0.03
    assert result["feature_shape"] == [800]
    assert set(result["seconds"]) == {"learn", "extract", "classify"}


def test_repeated_evaluation_gives_the_same_loss(digits: Path) -> None:
    assert run(digits)["loss"] == run(digits)["loss"]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("homogeneous", {"l0eg_alpha": 1e9}),
        ("non_finite", {"l0eg_order": 2, "l0eg_order_real": 0.005}),
    ],
)
def test_invalid_features_fail_with_kind_and_reason(
    digits: Path, kind: str, changes: dict[str, Any]
) -> None:
    result = run(digits, **changes)
    assert result["status"] == "fail"
    assert result["failure"]["kind"] == kind
    assert result["failure"]["reason"]
    assert "loss" not in result


def test_constant_features_stop_extraction_after_the_first_images(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    tick = objective.Pace.tick

    def counting(pace: objective.Pace, images: int, seconds: float) -> None:
        seen.append(images)
        tick(pace, images, seconds)

    monkeypatch.setattr(objective.Pace, "tick", counting)
    result = run(digits, l0eg_alpha=1e9)
    assert result["failure"]["kind"] == "homogeneous"
    assert set(result["seconds"]) == {"learn", "extract"}
    extracted = sum(seen) - MODEL.n_unsupervised
    assert extracted == IMAGES_TO_COMPARE < len(Selection(digits).images)


@pytest.mark.parametrize("different", [0, 1, 700, 999])
def test_features_that_differ_in_one_of_the_first_images_are_accepted(different: int) -> None:
    features = np.ones((1000, 7), "float32")
    features[different, 3] = 2
    check, constant = ConstantCheck(), ConstantCheck()
    for batch in np.split(features, [1, 400]):
        check(batch)
    constant(np.ones((999, 7), "float32"))  # too few to refuse
    with pytest.raises(CandidateError, match="the first 1000 images have the same features"):
        constant(np.ones((1, 7), "float32"))


def test_candidate_below_minimum_speed_is_stopped(digits: Path) -> None:
    failure = run(digits, replace(BUDGET, images_per_second=1e9))["failure"]
    assert failure["kind"] == "too_slow"
    assert "1e+09 are required" in failure["reason"]


def test_candidate_above_memory_limit_is_refused_before_learning(digits: Path) -> None:
    result = run(digits, replace(BUDGET, trial_memory_mb=1))
    assert result["failure"]["kind"] == "out_of_memory"
    assert "MiB, 1 are allowed" in result["failure"]["reason"]
    assert set(result["seconds"]) == {"learn"}


def test_infeasible_candidates_are_refused_without_reading_images(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(MODEL, output_sizes=(8, 32, 64), max_layer_sizes=(32, 64), max_n_features=9)
    space = search_space(model.output_sizes, model.max_layer_sizes)
    domain = Domain(lambda values: 0.0, space)
    budget = replace(BUDGET, trial_memory_mb=80)
    selection = Selection(digits)
    with monkeypatch.context() as patch:
        patch.setattr("hpconv.datasets.image_rows.ImageRows.__getitem__", None)
        is_feasible = objective.feasibility(digits, model, budget)
        drawn = [rand.suggest([tid], domain, Trials(), tid)[0] for tid in range(120)]
        candidates = [to_builtin_types(hyperparameters(trial)) for trial in drawn]
        refused = [candidate for candidate in candidates if not is_feasible(candidate)]
    assert 10 < len(refused) < 110
    results = [objective.evaluate(candidate, selection, model, budget) for candidate in refused]
    assert {result["failure"]["kind"] for result in results} == {
        "map_too_small",
        "no_filters",
        "too_many_features",
        "warp_background",
        "out_of_memory",
    }


def test_feasible_candidate_is_accepted(digits: Path) -> None:
    assert objective.feasibility(digits, MODEL, BUDGET)(CANDIDATE)
    assert not objective.feasibility(digits, MODEL, replace(BUDGET, trial_memory_mb=1))(CANDIDATE)


def test_memory_error_becomes_a_failure(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(objective, "learn", exhausted)
    assert run(digits)["failure"]["kind"] == "out_of_memory"


def test_programming_error_is_raised(digits: Path) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        run(digits, l0eg_alpha="high")


def test_pickled_objective_contains_no_images(digits: Path) -> None:
    one = objective.Objective(digits, MODEL, BUDGET)
    before = pickle.dumps(one)
    conditions = one.prepare()
    assert conditions == {"engine": choose("auto"), "kernels": "c"}
    assert len(pickle.dumps(one)) < len(before) + 100
