"""Rungs: which trials are stopped there, and that nothing is computed twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperopt.base import Ctrl, Trials

from hpconv.datasets.protocols import Selection
from hpconv.errors import UserError
from hpconv.features.extractor import Extractor
from hpconv.objective.objective import evaluate
from hpconv.objective.rungs import RungContext, RungCtrl, check, goes_on, rung_context
from hpconv.trials import Rung, Standing, Trial
from tests.unit.datasets.test_protocols import pairs  # noqa: F401, a fixture
from tests.unit.objective.test_objective import BUDGET, CANDIDATE, MODEL, run

SHARES = (0.1, 0.3)


@pytest.mark.parametrize(
    ("better", "reached", "goes"),
    [(7, 8, True), (8, 9, False), (2, 9, True), (3, 9, False), (3, 10, True), (0, 1, True)],
)
def test_the_best_third_goes_on_once_nine_have_reached_a_rung(
    better: int, reached: int, goes: bool
) -> None:
    assert goes_on(Standing(better, reached)) == goes


def climb(digits: Path, second: Standing) -> tuple[dict[str, Any], list[list[Rung]]]:
    """The result of a candidate with this standing at its second rung, and what it told."""
    told: list[list[Rung]] = []

    def compare(reached: list[Rung]) -> Standing:
        told.append(list(reached))
        return second if len(reached) == 2 else Standing(0, 20)

    context = RungContext(SHARES, compare)
    return evaluate(CANDIDATE, Selection(digits), MODEL, BUDGET, rungs=context), told


def test_a_trial_that_goes_on_extracts_no_image_twice(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted: list[np.ndarray] = []
    fill = Extractor.fill

    def noting(self: Extractor, *args: Any, **options: Any) -> None:
        extracted.append(args[2])
        fill(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "fill", noting)
        result, told = climb(digits, Standing(0, 20))
    selection = Selection(digits)
    n_images = len(selection.images)
    assert sorted(np.concatenate(extracted)) == list(range(n_images))
    assert [len(part) / n_images for part in extracted] == pytest.approx([0.1, 0.2, 0.7], abs=0.02)
    whole = run(digits)
    different = [name for name in whole if result[name] != whole[name]]
    assert different == ["seconds"]
    assert set(result) - set(whole) == {"rungs"}
    assert told == [result["rungs"][:1], result["rungs"]]
    (first, second), spent = result["rungs"], result["seconds"]
    assert (first["share"], second["share"]) == SHARES
    assert result["loss"] < second["loss"] < first["loss"] < 0.5
    for step in ("extract", "classify"):
        assert 0 < first["seconds"][step] < second["seconds"][step] < spent[step]
    assert first["seconds"]["learn"] == second["seconds"]["learn"] == spent["learn"]


def test_hyperopts_own_workers_evaluate_whole_trials() -> None:
    trial: Trial = {
        "tid": 0,
        "misc": {"tid": 0, "idxs": {}, "vals": {}},
        "result": {"status": "new"},
    }
    ours = RungCtrl(Trials(), trial, lambda reached: Standing(0, 1))
    assert rung_context(SHARES, ours) == RungContext(SHARES, ours.compare)
    assert rung_context(SHARES, Ctrl(Trials(), trial)) is None
    assert rung_context((), ours) is None


def test_a_stopped_trial_has_the_loss_of_its_rung(digits: Path) -> None:
    result, told = climb(digits, Standing(8, 9))
    last = result["rungs"][-1]
    assert (result["status"], result["stopped_at"], result["loss"]) == ("ok", 0.3, last["loss"])
    assert result["seconds"] == last["seconds"]
    assert result["feature_shape"] == [800]
    assert told[-1] == result["rungs"]
    assert "trace" not in result


def test_pairs_of_images_have_no_rungs(digits: Path, pairs: Path) -> None:  # noqa: F811
    check(SHARES, digits)
    check((), pairs)
    with pytest.raises(UserError, match=r"'search.rungs' is \[0.1, 0.3\].*write 'rungs: null'"):
        check(SHARES, pairs)
