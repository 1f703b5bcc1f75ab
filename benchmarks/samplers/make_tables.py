"""Makes tables of random trials, from which the surrogates learn.

    export OMP_NUM_THREADS=1
    python -m benchmarks.samplers.make_tables digits TABLE --seed 1 --minutes 15
    python -m benchmarks.samplers.make_tables fashion-mnist TABLE --path FOLDER
    python -m benchmarks.samplers.make_tables folder TABLE --path FOLDER

The last one is for CIFAR-10 as PNG files, with a sub-folder per class. A line per trial: ``seed``
and ``tid`` of its draw, ``vals`` (active hyperparameters, as hyperopt stores them), ``status``,
``loss``, ``failure`` (its kind) and ``seconds`` by step. Candidates are drawn from the prior; those
that sizes or the warp refuse are skipped, as the search draws them again.
"""

import argparse
import gzip
import itertools
import json
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hyperopt import Trials, rand
from hyperopt.base import Domain
from sklearn.model_selection import train_test_split

from hpconv.config import Budget, DataSettings, ModelSettings
from hpconv.datasets import write
from hpconv.datasets.protocols import Selection
from hpconv.engines import warm_up
from hpconv.errors import CandidateError
from hpconv.model.layers import Filter
from hpconv.model.pipeline import describe
from hpconv.model.space import search_space
from hpconv.objective.objective import evaluate
from hpconv.trials import hyperparameters, to_builtin_types

MODEL = ModelSettings(
    output_sizes=(32,),
    n_patches=3000,
    max_n_features=1000,
    n_unsupervised=300,
    engine="cpu",
)
MODELS = {
    "digits": replace(MODEL, output_sizes=(16, 32), max_layer_sizes=(32,), max_n_features=400),
    "fashion-mnist": replace(MODEL, output_sizes=(16, 32)),
    "folder": MODEL,
}
SIZES = {"digits": (500, 700), "fashion-mnist": (1500, 2000), "folder": (2000, 3000)}
# values per patch; whitening wider patches takes minutes, so such draws are skipped
WIDEST_PATCH = 3000
LONGEST_TRIAL = 20  # seconds
BUDGET = Budget(images_per_second=200, trial_memory_mb=100_000)


def data_file(name: str, source: Path | None, path: Path) -> None:
    """Write a data set with few images, so that a trial takes about a second."""
    n_train, n_validation = SIZES[name]
    settings = DataSettings(name=name, path=source)
    if name != "fashion-mnist":  # whose splits are official
        settings = replace(settings, validation=0.45, test=0.1)
    write(settings, path)
    with h5py.File(path, "r+") as file:
        labels = file["labels"][()]
        for part, count in (("train", n_train), ("validation", n_validation)):
            rows = file[part][()]
            if count < len(rows):
                options: dict[str, Any] = {"stratify": labels[rows], "random_state": 0}
                rows, _ = train_test_split(rows, train_size=count, **options)
            del file[part]
            file[part] = np.sort(rows)


def draws(domain: Domain, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Tids and assignments from the prior; each depends on its tid and the seed only."""
    for tid in itertools.count():
        state = int(np.random.SeedSequence([seed, tid]).generate_state(1)[0])
        (doc,) = rand.suggest([tid], domain, Trials(), state)
        yield tid, to_builtin_types(hyperparameters(doc))


def buildable(
    assignment: dict[str, Any], image_shape: tuple[int, int, int], model: ModelSettings
) -> bool:
    """Whether sizes and warp allow a candidate, and its patches are not too wide."""
    try:
        pipeline = describe(assignment, image_shape, model)
        channels = image_shape[0]
        for layer, shape in pipeline.shapes():
            if isinstance(layer, Filter) and _patch_values(layer, channels) > WIDEST_PATCH:
                return False
            channels = shape[0]
    except CandidateError:
        return False
    return True


def _patch_values(layer: Filter, channels: int) -> int:
    """Number of values of a patch that are whitened."""
    return 0 if layer.recipe.kind == "projections" else channels * layer.size**2


def stop_trial(number: int, frame: Any) -> None:
    raise CandidateError("too_slow", f"more than {LONGEST_TRIAL} seconds")


def as_row(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": result["status"],
        "loss": result.get("loss"),
        "failure": result.get("failure", {}).get("kind"),
        "seconds": result["seconds"],
    }


def trials(
    data: Path, model: ModelSettings, seed: int, first: int, seconds: float
) -> Iterator[str]:
    """Lines of the table, for this many seconds."""
    selection = Selection(data)
    domain = Domain(lambda x: 0.0, search_space(model.output_sizes, model.max_layer_sizes))
    warm_up(model.engine)
    signal.signal(signal.SIGALRM, stop_trial)
    until = time.monotonic() + seconds
    for tid, vals in draws(domain, seed):
        if time.monotonic() > until:
            return
        if tid >= first and buildable(vals, selection.images.shape[1:], model):
            signal.alarm(LONGEST_TRIAL)
            result = evaluate(vals, selection, model, BUDGET)
            signal.alarm(0)
            yield json.dumps({"seed": seed, "tid": tid, "vals": vals} | as_row(result)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("table", type=Path, help="lines are appended")
    parser.add_argument("--path", type=Path, help="where the images are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first tid")
    parser.add_argument("--minutes", type=float, default=15)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, gzip.open(told.table, "at") as table:
        data = Path(folder) / "data.h5"
        data_file(told.name, told.path, data)
        model = MODELS[told.name]
        for line in trials(data, model, told.seed, told.first, told.minutes * 60):
            table.write(line)
            table.flush()


if __name__ == "__main__":
    main()
