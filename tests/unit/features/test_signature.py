"""Traces identify rebuilt pipelines; trials have the same error in other processes."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pytest

from hpconv.config import Budget
from hpconv.datasets import protocols
from hpconv.datasets.protocols import Selection
from hpconv.engines import Function, compile_stage
from hpconv.errors import UserError
from hpconv.features import learning, signature
from hpconv.features.user_images import from_assignment
from hpconv.model.layers import Layer, Lpool
from hpconv.objective import objective
from tests.unit.objective import test_objective

MODEL = replace(test_objective.MODEL, max_layer_sizes=(32,), max_n_features=200, engine="cpu")
BUDGET = Budget(trial_seconds=60, images_per_second=0.01, trial_memory_mb=4096)
FIRST_LAYER = {
    "l0_fbncc_algo": 1, "l0_fbncc_beta": 10.0, "l0_fbncc_hard": 0, "l0_fbncc_remove_mean": 1,
    "l0_fbncc_wr_gamma": 0.01, "l0_fbncc_wr_rseed": 5, "l0_fbncc_patch_rseed": 2,
    "l0fb_nfilters": 16.0, "l0fb_size": 3.0, "l0p_order": 1, "l0p_size": 3.0, "l0p_stride": 0,
}  # fmt: skip
DEEP = {"exit": 5, "warp": 0, "warp_osize": 0} | FIRST_LAYER | {
    "l1_out_lp_fsize": 4.0, "l1_out_lp_psize": 3.0, "l1_out_lp_stride": 1,
    "l1_out_lp_order_choice": 1, "l1_out_lp_nsize": 2.0, "l1_out_lp_use_norm": 1,
    "l1_out_lp_norm_rmean": 1, "l1_out_lp_norm_thresh": 0.5, "l1_out_lp_remove_std0": 1,
    "l1_out_lp_varthresh": 1e-4, "l1_out_lp_l2_reg": 1e-3, "l1_out_lp_divrowl2": 1,
    "l1elp_fbncc_algo": 0, "l1elp_fbncc_r_normalize": 1, "l1elp_fbncc_r_rseed": 3,
    "l1elp_fbncc_beta": 1.0, "l1elp_fbncc_hard": 0, "l1elp_fbncc_remove_mean": 1,
}  # fmt: skip
EIGHTH_ROOT = {"l0eg_order": 2, "l0eg_order_real": 0.125}  # sensitive to noise near 0
CANDIDATES = [DEEP, test_objective.CANDIDATE, test_objective.CANDIDATE | EIGHTH_ROOT]
ELSEWHERE = """
import json, sys
from pathlib import Path
from hpconv.datasets.protocols import Selection
from hpconv.config import ModelSettings
from hpconv.objective import objective
from hpconv.config import Budget
given = json.load(sys.stdin)
selection, model = Selection(Path(given["data"])), ModelSettings(**given["model"])
budget = Budget(**given["budget"])
json.dump([objective.evaluate(one, selection, model, budget) for one in given["vals"]], sys.stdout)
"""


def evaluate(digits: Path) -> list[dict[str, Any]]:
    return [objective.evaluate(one, Selection(digits), MODEL, BUDGET) for one in CANDIDATES]


def evaluate_elsewhere(digits: Path, **environment: str) -> list[dict[str, Any]]:
    given = {"data": str(digits), "model": asdict(MODEL), "budget": asdict(BUDGET)}
    command, given["vals"] = [sys.executable, "-c", ELSEWHERE], CANDIDATES
    process = subprocess.run(
        command, input=json.dumps(given), env=os.environ | environment,
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def results(digits: Path) -> list[dict[str, Any]]:
    """The results of all candidates in this process."""
    return evaluate(digits)


@pytest.fixture
def trial(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The trial of a pipeline of three stages."""
    return {"tid": 7, "result": copy.deepcopy(results[0])}


@pytest.fixture
def verify(digits: Path) -> Callable[..., str]:
    """Verifies a trial against the pipeline of an assignment, rebuilt here."""

    def rebuild(
        trial: dict[str, Any], images: np.ndarray | None = None, vals: dict[str, Any] = DEEP
    ) -> str:
        unlabelled = protocols.unlabelled(digits, MODEL.n_unsupervised)
        extractor = from_assignment(vals, unlabelled, MODEL)
        images = signature.fixed_images(digits) if images is None else images
        return signature.verify(trial, extractor, images)

    return rebuild


def assert_the_same(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], verify: Callable[..., str]
) -> None:
    """The same trials: errors within 0.1 point, and traces within the tolerance."""
    for here, there, vals in zip(ours, theirs, CANDIDATES, strict=True):
        assert abs(here["loss"] - there["loss"]) < 1e-3
        assert verify({"tid": 0, "result": there}, vals=vals) != "unknown"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_trace_is_identical_in_a_new_process(
    digits: Path, results: list[dict[str, Any]], verify: Callable[..., str], threads: str
) -> None:
    there = evaluate_elsewhere(digits, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    assert_the_same(results, there, verify)
    assert verify({"tid": 0, "result": there[0]}) == "bit for bit"


def test_numba_kernels_agree_within_tolerance(
    digits: Path, results: list[dict[str, Any]], verify: Callable[..., str]
) -> None:
    there = evaluate_elsewhere(digits, HPCONV_CC="", OMP_NUM_THREADS="2")
    assert_the_same(results, there, verify)
    assert verify({"tid": 0, "result": there[0]}).startswith("within ")
    assert {"numba", "pytensor"} <= set(there[0]["trace"]["versions"])


@pytest.mark.needs_torch
def test_torch_agrees_within_tolerance(
    digits: Path, results: list[dict[str, Any]], verify: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    compile_with_torch = import_module("hpconv.engines.torch").compile_stage
    with monkeypatch.context() as patch:
        patch.setattr(learning, "compile_stage", lambda *to, **_: compile_with_torch(*to[:2]))
        there = evaluate(digits)
    assert_the_same(results, there, verify)
    assert verify({"tid": 0, "result": there[0]}).startswith("within ")


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"l0_fbncc_wr_rseed": 6}, "stage 2 of 3 (filters of fbncc 3x3)"),
        ({"l0_fbncc_patch_rseed": 3}, "stage 2 of 3 (filters of fbncc 3x3)"),
        ({"l0_fbncc_beta": 11.0}, "stage 2 of 3 (filters of fbncc 3x3)"),
        ({"l0p_order": 0}, "stage 2 of 3 (fbncc 3x3, lpool 3x3)"),
        ({"l1elp_fbncc_r_rseed": 4}, "stage 3 of 3 (filters of fbncc 4x4)"),
        ({"l1_out_lp_norm_rmean": 0}, "stage 3 of 3 (fbncc 4x4, lpool 3x3, lnorm 2x2)"),
    ],
)
def test_error_names_the_first_differing_stage(
    trial: dict[str, Any], verify: Callable[..., str], changes: dict[str, Any], first: str
) -> None:
    with pytest.raises(UserError) as refusal:
        verify(trial, vals=DEEP | changes)
    assert f"trial 7 is not the pipeline that was selected: {first} differs" in str(refusal.value)


def test_kernel_error_of_one_percent_is_detected(
    trial: dict[str, Any], verify: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_off(stage: Sequence[Layer], n_channels: int, engine: str) -> Function:
        function = compile_stage(stage, n_channels, engine)
        wrong = np.float32(1.01 if isinstance(stage[-1], Lpool) else 1)
        return lambda images: function(images) * wrong

    monkeypatch.setattr(learning, "compile_stage", compile_off)
    with pytest.raises(UserError, match=r": stage 2 of 3 \(fbncc 3x3, lpool 3x3\) differs by"):
        verify(trial)


def test_reordered_filters_are_detected(
    trial: dict[str, Any], verify: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = learning._learn_bank

    def reversed_bank(*arguments: Any) -> Any:
        bank = learn(*arguments)
        return bank._replace(filters=np.ascontiguousarray(bank.filters[::-1]))

    monkeypatch.setattr(learning, "_learn_bank", reversed_bank)
    with pytest.raises(UserError, match="filters of fbncc 3x3"):
        verify(trial)


def test_different_images_are_detected(
    digits: Path, trial: dict[str, Any], verify: Callable[..., str]
) -> None:
    images = signature.fixed_images(digits)
    with pytest.raises(UserError, match="the input differs by"):
        verify(trial, images[::-1])
    with pytest.raises(
        UserError, match=r"the input differs in .* shape.*\n.*\[32, 1, .*\n.*\[31, 1,"
    ):
        verify(trial, images[1:])


def test_black_images_agree_only_with_black_images(
    digits: Path, trial: dict[str, Any], verify: Callable[..., str]
) -> None:
    black = np.zeros_like(signature.fixed_images(digits))
    unlabelled = protocols.unlabelled(digits, MODEL.n_unsupervised)
    trial["result"]["trace"] = signature.record(from_assignment(DEEP, unlabelled, MODEL), black)
    assert verify(trial, black) == "bit for bit"
    with pytest.raises(UserError, match="the input differs"):
        verify(trial)


def test_error_shows_statistics_and_versions_of_both_traces(
    trial: dict[str, Any], verify: Callable[..., str]
) -> None:
    trial["result"]["trace"]["versions"] |= {"numpy": "1.0.1", "kernels": "numba"}
    with pytest.raises(UserError) as refusal:
        verify(trial, vals=DEEP | {"l1elp_fbncc_r_rseed": 4})
    _, then, now = str(refusal.value).splitlines()
    stored = trial["result"]["trace"]["parts"][4]
    assert f"mean {stored['mean']}" in then
    assert f"crc32 {stored['crc32']}" in then
    assert "kernels numba, numpy 1.0.1" in then
    assert f"kernels c, numpy {np.__version__}" in now
    assert stored["crc32"] not in now


def test_trial_without_trace_is_unknown(trial: dict[str, Any], verify: Callable[..., str]) -> None:
    del trial["result"]["trace"]
    assert verify(trial) == "unknown"


def test_trace_is_small_and_survives_bson_and_json(
    trial: dict[str, Any], verify: Callable[..., str]
) -> None:
    stored = trial["result"]["trace"]
    assert len(bson.encode(stored)) < 2048
    assert bson.decode(bson.encode(stored)) == stored
    text = json.dumps(trial)
    assert verify(json.loads(text)) == "bit for bit"


def test_traces_use_the_first_training_images(digits: Path) -> None:
    selection = Selection(digits)
    images = signature.fixed_images(digits)
    assert np.array_equal(images, selection.unlabelled(signature.N_IMAGES))
    assert images.shape[0] == 32
