"""Somebody's own pairs of pictures, and an ensemble, through the whole workflow."""

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from tests.workflow.harness import run

N_PAIRS = 120


def write_pairs(folder: Path) -> Path:
    """Pictures of digits of several sizes, and a list of which of them show the same one."""
    bunch, rng = load_digits(), np.random.default_rng(0)
    lines = ["left,right,same"]
    for number in range(N_PAIRS):
        label = rng.integers(10)
        other = label if number % 2 else (label + rng.integers(1, 10)) % 10
        for side, shown in (("left", label), ("right", other)):
            pixels = bunch.images[rng.choice(np.flatnonzero(bunch.target == shown))] * 15.9
            picture = Image.fromarray(pixels.astype("uint8")).resize((24, 24 + number % 3))
            picture.save(folder / f"{number}-{side}.png")
        lines.append(f"{number}-left.png,{number}-right.png,{number % 2}")
    (folder / "pairs.csv").write_text("\n".join(lines))
    return folder / "pairs.csv"


def test_pairs_of_pictures_and_an_ensemble(tmp_path: Path) -> None:
    data = f"data={{name: pairs, path: {write_pairs(tmp_path)}, size: 16}}"
    rounds = "ensemble={grow: true, min_ok_per_round: 2, min_valid_per_round: 2}"
    finished = run(tmp_path, "--config", data, rounds, "search={max_evals: 10}")
    assert finished.returncode == 0, finished.stdout
    results = tmp_path / "results/demo"
    final = json.loads((results / "final_evaluation.json").read_text())
    *winners, average, ensemble = final["winners"]
    assert (average["rank"], ensemble["rank"]) == ("average", "ensemble")
    assert ensemble["members"][-1] == ensemble["tid"]
    for judged in (*winners, average, ensemble, final["raw_pixels"]):
        assert np.array(judged["confusion"]).shape == (2, 2)
        assert np.sum(judged["confusion"]) == 30
    table = (results / "trials.csv").read_text().splitlines()
    assert table[0].startswith("tid,status,loss,own_error,ensemble_error,stopped_at,continues")
    report = (results / "report.html").read_text()
    payload = re.search(r'id="payload">(.*)</script>', report)
    assert payload
    assert json.loads(payload[1])["final"]["ensemble"]["members"] == ensemble["members"]
    assert report.count("Kernel SVM") == len(winners)
