"""An experiment's images never change under it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpconv import datasets, features, report
from hpconv.config import DataSettings
from hpconv.datasets import origin
from hpconv.datasets.data_file import DataFile
from hpconv.errors import UserError
from hpconv.evaluation.refit import refit_and_test
from hpconv.export import winner
from hpconv.features import user_images
from tests.unit.objective.test_objective import CANDIDATE, MODEL

DIGITS = DataSettings("digits", fraction=0.2)


def trial_of(data: Path) -> dict[str, Any]:
    with DataFile(data) as file:
        checksum = file.checksum
    misc = {
        "vals": {label: [value] for label, value in CANDIDATE.items()},
        "model": vars(MODEL),
        "data": checksum,
    }
    return {"tid": 0, "misc": misc, "result": {"status": "ok", "loss": 0.5}}


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment with one trial, which is also its winner."""
    datasets.write(DIGITS, tmp_path / "data.h5")
    line = json.dumps(trial_of(tmp_path / "data.h5")) + "\n"
    (tmp_path / "trials.jsonl").write_text(line)
    (tmp_path / "winners/1").mkdir(parents=True)
    (tmp_path / "winners/1/trial.json").write_text(line)
    return tmp_path


def test_data_file_of_trials_is_not_replaced(experiment: Path) -> None:
    data = experiment / "data.h5"
    before = data.read_bytes()
    with pytest.raises(UserError, match="has trials that were made with other images, labels or"):
        datasets.write(replace(DIGITS, seed=1), data)
    assert data.read_bytes() == before
    datasets.write(DIGITS, data)


def test_trials_are_not_used_with_other_images(experiment: Path, digits: Path) -> None:
    data = experiment / "data.h5"
    trial = trial_of(data)
    data.unlink()
    data.symlink_to(digits)
    uses = [
        lambda: user_images.from_trial(0, experiment),
        lambda: winner.read(1, experiment),
        lambda: report.write(experiment, experiment / "report.html"),
        lambda: features.extract(
            trial, data, MODEL, experiment / "features.h5", cache=experiment / "cache"
        ),
        lambda: refit_and_test([trial], data, [], MODEL, memory_mb=100),
    ]
    for use in uses:
        with pytest.raises(UserError, match=r"data\.h5 has other images, labels or splits \(check"):
            use()
    assert not (experiment / "report.html").exists()
    del trial["misc"]["data"]  # as in old histories
    origin.check_trial(trial, data)
