"""``hpconv export``: files that compute, without hpconv, what a winner computes with it."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpconv import export
from hpconv.engines import compile_stage
from hpconv.errors import UserError
from hpconv.export import check, numpy_network, winner
from hpconv.export.winner import Winner
from hpconv.features.extractor import Extractor, to_float
from hpconv.features.learning import learn
from hpconv.files import write_json
from hpconv.learners import linear_scores
from hpconv.learners.linear_scores import Linear
from hpconv.model import layers
from hpconv.model.filterbanks import FilterBank
from hpconv.model.layers import Layer
from hpconv.model.pipeline import ClassifierSettings, Pipeline, describe
from tests.conftest import hpconv
from tests.unit.features.test_extractor import CASES, IMAGE_SHAPE, MODEL, VECTORS
from tests.unit.objective.test_objective import CANDIDATE
from tests.unit.objective.test_objective import MODEL as DIGITS_MODEL

SMALL = replace(DIGITS_MODEL, max_n_features=200)
RECIPE = layers.BankRecipe("projections", seed=0)
TURNED = ((0.8, -0.9, 12.0), (0.7, 0.8, -4.0), (0.0, 0.0, 1.0))
ENLARGED = ((1.5, 0.0, 0.0), (0.0, 1.5, 0.0), (0.0, 0.0, 1.0))
SETTINGS = ClassifierSettings(l2_reg=1e-3, varthresh=1e-4, remove_std0=True, divrowl2=True)
FORMATS = [
    "npz",
    "onnx",
    pytest.param("pytorch", marks=pytest.mark.needs_torch),
]


def classified(extractor: Extractor, images: np.ndarray) -> Winner:
    """A winner with a classifier of two classes, 0 and 2."""
    rng = np.random.default_rng(0)
    width = int(np.prod(extractor.feature_shape))
    values = (rng.normal(size=width), rng.uniform(1, 2, width), rng.normal(size=(width, 2)))
    mean, scale, weights = (value.astype("float32") for value in values)
    linear = Linear(mean, scale, weights, np.ones(2, "float32"), np.array([0, 2]))
    about = {"version": "1", "labels": [0, 2], "classes": ["cat", "dog", "emu"]}
    return Winner(extractor, linear, about, images)


@cache
def reference(number: int) -> Winner:
    """A pipeline of the published system."""
    pipeline = describe(CASES[number]["vals"], IMAGE_SHAPE, MODEL)
    return classified(learn(pipeline, VECTORS["unsup"], MODEL), VECTORS["test"])


def made_of(*chain: Layer, size: int = 17) -> Winner:
    """Layers in a row, filters filled at random, and images of two channels."""
    rng = np.random.default_rng(1)
    shapes, filled = [(2, size, size)], []
    for layer in chain:
        if isinstance(layer, layers.Filter):
            shape = (shapes[-1][0], layer.size, layer.size)
            mean, filters = rng.normal(size=shape), rng.normal(size=(layer.n_filters, *shape))
            bank = FilterBank(mean.astype("float32"), filters.astype("float32"))
            layer = replace(layer, bank=bank)
        filled.append(layer)
        shapes.append(layer.output_shape(shapes[-1]))
    stages = tuple((layer,) for layer in filled)
    functions = [
        compile_stage(stage, shape[0], "cpu")
        for stage, (shape, _) in zip(stages, pairwise(shapes), strict=True)
    ]
    extractor = Extractor(Pipeline(shapes[0], stages, SETTINGS), functions, 20, "cpu")
    return classified(extractor, rng.uniform(size=(3, *shapes[0])).astype("float32"))


SIGNED = layers.Filter(3, 2, RECIPE, remove_mean=True, beta=0.1, hard_beta=False)
CHAIN = (
    layers.Warp(TURNED, 23),
    SIGNED,
    layers.Lpool(ker_size=3, stride=2, order=1.7),
    layers.Lnorm(3, True, 0.1),
    replace(SIGNED, remove_mean=False, hard_beta=True),
    layers.LpoolAlpha(ker_size=2, stride=1, order=2, alpha=0.1),
    layers.GridPool(2, 2, 0.1),
)  # a layer of each kind


def loaded(path: Path, format_: str) -> check.Model:
    return import_module(f"hpconv.export.{format_}").load(path)


@pytest.mark.parametrize("format_", ["npz", "onnx"])
@pytest.mark.parametrize("number", [i for i, case in enumerate(CASES) if case["ok"]])
def test_a_file_has_the_features_of_the_published_system(
    number: int, format_: str, tmp_path: Path
) -> None:
    case = CASES[number]
    import_module(f"hpconv.export.{format_}").write(reference(number), tmp_path / "winner")
    actual = loaded(tmp_path / "winner", format_)(to_float(VECTORS["test"]))["features"]
    assert list(actual.shape) == case["shape"]
    flat = actual.reshape(len(actual), -1)[:, :: case["stride"]]
    expected = VECTORS[f"f{case['case']}"]
    assert np.abs(flat - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("format_", ["npz", "onnx"])
@pytest.mark.parametrize(
    "chain",
    [
        (layers.Warp(ENLARGED, 25),),
        (layers.Warp(TURNED, 23),),
        *[
            (layers.Filter(5, size, RECIPE, remove_mean, beta, hard_beta),)
            for size in (1, 4, 5)
            for remove_mean in (False, True)
            for beta, hard_beta in [(0.5, False), (10.0, True)]
        ],
        *[
            (SIGNED, layers.Lpool(ker_size=4, stride=2, order=order))
            for order in (1, 2, 3, 0.3, 7.1)
        ],
        (SIGNED, layers.Lpool(ker_size=16, stride=3, order=2)),
        *[
            (SIGNED, layers.LpoolAlpha(ker_size=3, stride=2, order=order, alpha=0.1))
            for order in (1, 2, 0.3, 7.1)
        ],
        *[(SIGNED, layers.GridPool(g, order, 0.1)) for g in (1, 2, 3) for order in (1, 2, 7.1)],
        *[
            (SIGNED, layers.Lnorm(size, remove_mean, threshold))
            for size in (2, 5)
            for remove_mean in (False, True)
            for threshold in (0.0, 3.0)
        ],
        CHAIN,
    ],
    ids=lambda chain: str(chain[-1]),
)
def test_each_layer_is_exported(chain: tuple[Layer, ...], format_: str, tmp_path: Path) -> None:
    differences = export.export(made_of(*chain), format_, tmp_path / "winner")
    assert differences.features < 1e-4
    assert differences.scores
    assert differences.scores < 1e-4
    assert differences.agreeing == 1


LOADING = {
    "npz": "from numpy_network import Network\nrun = Network('winner')",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession('winner')
about = json.loads(session.get_modelmeta().custom_metadata_map['hpconv'])
names = ['features', 'scores', 'label']
run = lambda images: dict(zip(names, session.run(names, {'images': images})))""",
    "pytorch": """
import torch
extra = {'hpconv.json': ''}
with open('winner', 'rb') as file:
    network = torch.export.load(file, extra_files=extra).module()
about = json.loads(extra['hpconv.json'])
run = lambda images: {k: v.numpy() for k, v in network(torch.tensor(images)).items()}""",
}


@pytest.mark.parametrize("format_", FORMATS)
def test_file_works_without_hpconv_for_any_number_of_images(format_: str, tmp_path: Path) -> None:
    found = made_of(*CHAIN)
    assert export.export(found, format_, tmp_path / "winner").features < 1e-4
    (tmp_path / "numpy_network.py").write_bytes(Path(numpy_network.__file__).read_bytes())
    np.save(tmp_path / "images.npy", found.images)
    script = f"""
import json, sys
import numpy as np
sys.modules['hpconv'] = None
{LOADING[format_]}
if '{format_}' == 'npz': about = run.description
images = np.load('images.npy')
np.savez('all.npz', **run(images))
print(about['classes'][run(images[:1])['label'][0]])
"""
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    outputs, ours = np.load(tmp_path / "all.npz"), check.expected(found)
    assert np.array_equal(outputs["label"], ours["label"])
    assert np.allclose(outputs["scores"], ours["scores"], atol=1e-3)
    assert process.stdout.strip() == found.about["classes"][ours["label"][0]]


@pytest.fixture(scope="module")
def experiment(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of one winner, with any classifier."""
    folder = tmp_path_factory.mktemp("experiment")
    vals = {label: [value] for label, value in CANDIDATE.items()}
    result = {"status": "ok", "loss": 0.1}
    trial = {"tid": 7, "misc": {"vals": vals, "model": vars(SMALL)}, "result": result}
    (folder / "data.h5").write_bytes(digits.read_bytes())
    write_json(folder / "winners/1/trial.json", trial)
    *_, (_, shape) = describe(CANDIDATE, (1, 8, 8), SMALL).shapes()
    width = int(np.prod(shape))
    rng = np.random.default_rng(0)
    mean, scale, weights = rng.normal(size=width), np.ones(width), rng.normal(size=(width, 10))
    values = (value.astype("float32") for value in (mean, scale, weights, np.zeros(10)))
    linear_scores.write(folder / "winners/1/classifier.npz", Linear(*values, np.arange(10)))
    return folder


def test_export_has_the_classifier_of_the_evaluation(experiment: Path, tmp_path: Path) -> None:
    output = tmp_path / "winner.onnx"
    process = hpconv(
        *("export", "--winner", "1", "--experiment", experiment),
        *("--format", "onnx", "--output", output),
    )
    told, error = process.communicate()
    assert process.returncode == 0, error
    assert "100% of the labels are equal" in told
    found = winner.read(1, experiment)
    outputs = loaded(output, "onnx")(to_float(found.images))
    kept = linear_scores.read(experiment / "winners/1/classifier.npz")
    expected = kept.scores(found.extractor.transform(found.images))
    assert np.mean(outputs["label"] == expected.argmax(axis=1)) > 0.99
    assert outputs["scores"].shape == (100, 10)


def test_export_for_pairs_has_no_classifier(experiment: Path, tmp_path: Path) -> None:
    trial = (experiment / "winners/1/trial.json").read_text()
    write_json(tmp_path / "winners/1/trial.json", json.loads(trial))
    (tmp_path / "data.h5").write_bytes((experiment / "data.h5").read_bytes())
    with h5py.File(tmp_path / "data.h5", "a") as file:
        file["pairs"] = np.arange(2 * len(file["labels"])).reshape(-1, 2) % len(file["labels"])
    found = winner.read(1, tmp_path)
    differences = export.export(found, "onnx", tmp_path / "winner.onnx")
    assert differences.agreeing is None
    outputs = loaded(tmp_path / "winner.onnx", "onnx")(to_float(found.images))
    assert set(outputs) == {"features"}


def test_unknown_winner_is_a_user_error(experiment: Path, tmp_path: Path) -> None:
    process = hpconv(
        *("export", "--winner", "4", "--experiment", experiment),
        *("--format", "npz", "--output", tmp_path / "winner.npz"),
    )
    _, error = process.communicate()
    assert process.returncode == 1
    assert error == f"hpconv: --winner is 4, but the winners of {experiment} are 1\n"


def test_unknown_experiment_is_a_user_error() -> None:
    with pytest.raises(UserError, match="--experiment nowhere has no winners: run the workflow"):
        winner.read(1, Path("nowhere"))


def test_unknown_format_is_a_user_error() -> None:
    with pytest.raises(UserError, match="--format is 'keras': write npz, onnx, pytorch"):
        export.require("keras")


def test_winner_without_classifier_is_a_user_error(experiment: Path, tmp_path: Path) -> None:
    trial = (experiment / "winners/1/trial.json").read_text()
    write_json(tmp_path / "winners/1/trial.json", json.loads(trial))
    (tmp_path / "data.h5").write_bytes((experiment / "data.h5").read_bytes())
    with pytest.raises(UserError, match="classifier.npz does not exist"):
        winner.read(1, tmp_path)


def test_missing_package_of_a_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs torch: run pip install 'hpconv\[gpu\]'"):
        export.require("pytorch")


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_DIFFERENCE", 0.0, "features differ by"),
        ("MIN_AGREEMENT", 1.1, "only 100% of the exported labels"),
    ],
)
def test_file_with_different_outputs_is_not_kept(
    limit: str, value: float, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, limit, value)
    with pytest.raises(UserError, match=message):
        export.export(made_of(*CHAIN), "onnx", tmp_path / "winner.onnx")
    assert not list(tmp_path.iterdir())
