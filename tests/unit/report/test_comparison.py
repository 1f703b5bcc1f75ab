"""``hpconv compare`` and ``hpconv cite``: what experiments had in common, and what they used."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from hpconv import report, trials
from hpconv.config import resolve, to_json
from hpconv.files import write_json
from hpconv.report.citations import DATA, SAMPLERS, bibtex
from tests.unit.cli.test_cli import called
from tests.unit.report.test_payload import finished, searched, write

REFERENCES = (Path(report.__file__).parent / "assets/references.bib").read_text()


@pytest.fixture
def two(tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished experiment, and a shorter one that still runs, on the same images."""
    monkeypatch.chdir(tmp_path)
    finished(Path("results/long"), searched(40))
    write(Path("results/short"), searched(10), "live/trials.jsonl")
    for name, search in (("long", {}), ("short", {"seed": 7, "worker_threads": 2})):
        folder = Path("results", name)
        shutil.copy(digits, folder / "data.h5")
        write_json(folder / "config.json", to_json(resolve({"experiment": name, "search": search})))
    return tmp_path


def compared(capsys: Any, monkeypatch: Any, *names: str) -> Any:
    status, out, error = called(capsys, monkeypatch, "compare", *names, "--json")
    assert status == 0, error
    return json.loads(out)


def test_experiments_are_compared_at_the_end_and_at_equal_cost(
    two: Path, capsys: Any, monkeypatch: Any
) -> None:
    found = compared(capsys, monkeypatch, "long", "results/short")
    long, short = found["experiments"]
    losses = [trial["result"].get("loss", 1.0) for trial in searched(40)]
    assert long["validation"]["error"] == min(losses)
    assert long["test"] == {"error": 0.2, "interval": [0.1, 0.3]}
    assert short["test"] is None
    assert found["after_trials"] == 10
    assert found["validation_after_trials"] == [min(losses[:10])] * 2
    seconds = sum(map(trials.evaluation_seconds, searched(10)))
    assert short["processor_hours"] == pytest.approx(2 * seconds / 3600)
    assert found["after_hours"] == short["processor_hours"]
    assert found["settings"] == {"search.seed": [0, 7], "search.worker_threads": [1, 2]}
    assert found["same_images"]


def test_table_has_a_column_for_each_experiment(two: Path, capsys: Any, monkeypatch: Any) -> None:
    _, out, _ = called(capsys, monkeypatch, "compare", "long", "short")
    assert out.split()[:2] == ["long", "short"]
    (row,) = (line for line in out.splitlines() if line.startswith("test error of winner 1"))
    assert row.split("winner 1")[1].split() == ["20.00", "%", "(10.00", "to", "30.00)", "-"]
    assert "cannot be compared" not in out


def test_one_experiment_is_not_compared(two: Path, capsys: Any, monkeypatch: Any) -> None:
    status, _, error = called(capsys, monkeypatch, "compare", "long")
    assert status == 1
    assert "only 'long' is given: write two or more" in error


def test_cited_is_what_was_used(two: Path, capsys: Any, monkeypatch: Any) -> None:
    status, out, _ = called(capsys, monkeypatch, "cite", "--experiment", "long")
    assert status == 0
    for key in ("bergstra2013making", "bergstra2011algorithms", "alpaydin1998digits"):
        assert f"{{{key},\n" in out
    assert "numba" not in out
    numba = searched(3)
    numba[0]["result"] |= {"engine": "cpu", "kernels": "numba"}
    found = bibtex(two, numba)
    assert "lam2015numba" in found
    assert "pytensor" in found
    assert "bergstra2011algorithms" not in found, "these are random"


def test_bibtex_is_valid_and_has_every_data_set() -> None:
    keys = re.findall(r"^@\w+{(\w+),$", REFERENCES, re.M)
    assert len(set(keys)) == len(keys) == REFERENCES.count("@")
    assert {*DATA.values(), *SAMPLERS.values()} <= set(keys)
    assert REFERENCES.isascii()
    for entry in REFERENCES.split("\n\n"):
        assert entry.count("{") == entry.count("}")
