"""``make clean`` removes what ``make demo`` and ``make test`` made, and no experiment."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_clean_keeps_experiments_and_cached_features(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [tmp_path / "results/mine/trials.jsonl", tmp_path / "features/0123/entry.json"]
    removed = [tmp_path / "results/demo/trials.jsonl", tmp_path / ".venv/bin/hpconv"]
    for path in kept + removed:
        path.parent.mkdir(parents=True)
        path.touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in removed)
