"""Errors of a candidate on other divisions of the examples of model selection."""

from pathlib import Path

import numpy as np
import pytest

from hpconv import features
from hpconv.evaluation.recheck import recheck
from tests.unit.evaluation.test_retrain import trial
from tests.unit.objective.test_objective import CANDIDATE, MODEL


def test_candidate_is_fitted_on_each_division(digits: Path, tmp_path: Path) -> None:
    doc, extracted = trial(7, CANDIDATE), tmp_path / "features.h5"
    features.extract(doc, digits, MODEL, extracted, cache=tmp_path / "cache")
    found = recheck(doc, MODEL, digits, extracted, n_splits=3)
    assert found["tid"] == 7
    assert len(set(found["errors"])) > 1, "divisions differ"
    assert all(0 < error < 0.1 for error in found["errors"])
    assert found["mean"] == pytest.approx(np.mean(found["errors"]))
    assert found["deviation"] == pytest.approx(np.std(found["errors"], ddof=1))
