"""scikit-learn's protocol for winners and filterbanks, and the documentation's example."""

import doctest
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import hpconv
from hpconv import FilterbankFeatures, WinnerClassifier, WinnerFeatures
from hpconv.export import decision
from tests.unit.evaluation.test_retrain import CANDIDATE, MODEL
from tests.unit.export.test_predict import experiment, held_out  # noqa: F401  # a fixture

PAGE = Path(__file__).parents[3] / "docs/how-to/scikit-learn.md"
SETTINGS = vars(MODEL)


@pytest.fixture(scope="module")
def folder(experiment: Path) -> Path:  # noqa: F811
    return experiment / "winners/1"


@pytest.fixture(scope="module")
def images(folder: Path) -> np.ndarray:
    return held_out(folder.parents[1] / "data.h5")[0][:20]


def of_filterbanks(images: np.ndarray) -> FilterbankFeatures:
    return FilterbankFeatures(CANDIDATE, model=SETTINGS, random_state=3).fit(images)


@pytest.fixture(params=["winner", "filterbanks"])
def features(request: pytest.FixtureRequest, folder: Path, images: np.ndarray) -> Any:
    """Each of the transformers, fitted."""
    return WinnerFeatures.load(folder) if request.param == "winner" else of_filterbanks(images)


def test_example_in_the_documentation_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/demo").symlink_to(folder.parents[1])
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"^```.*\n", "", PAGE.read_text(), flags=re.M)
    example = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 10
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example).failed == 0


@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks_pass(folder: Path) -> None:
    for estimator in (
        WinnerFeatures(folder),
        WinnerClassifier(folder),
        FilterbankFeatures(CANDIDATE, model=SETTINGS),
    ):
        results = check_estimator(estimator, on_skip=None)
        assert {result["status"] for result in results} <= {"passed", "skipped"}


def test_features_are_named_and_can_be_a_table(features: Any, images: np.ndarray) -> None:
    found = features.transform(images)
    assert found.dtype == np.float32
    names = features.get_feature_names_out()
    assert len(names) == found.shape[1] == 800
    assert names[0] == f"{type(features).__name__.lower()}0"
    table = clone(features).set_output(transform="default").fit(images).transform(images)
    assert np.array_equal(table, found)


def test_pickle_keeps_features(features: Any, images: np.ndarray) -> None:
    copied = pickle.loads(pickle.dumps(features))
    assert np.array_equal(copied.transform(images), features.transform(images))


def test_formats_of_images_give_the_same_features(folder: Path, images: np.ndarray) -> None:
    features = WinnerFeatures.load(folder)
    expected = features.transform(images)
    for same in (images[:, 0], images.transpose(0, 2, 3, 1), images / 255):
        assert features.transform(same) == pytest.approx(expected, abs=1e-4)


def test_classifier_predicts_class_names(folder: Path, images: np.ndarray) -> None:
    classifier = WinnerClassifier.load(folder)
    scores = np.concatenate([*decision.of_winner(1, folder.parents[1]).scores(images)])
    assert classifier.decision_function(images) == pytest.approx(scores)
    assert list(classifier.predict(images)) == [str(label) for label in scores.argmax(axis=1)]
    labels = held_out(folder.parents[1] / "data.h5")[1][:20]
    assert classifier.score(images, labels.astype(str)) > 0.8


def test_random_state_changes_the_filters_as_its_number_says(images: np.ndarray) -> None:
    def learned(seed: int | None) -> np.ndarray:
        estimator = FilterbankFeatures(CANDIDATE, model=SETTINGS, random_state=seed)
        return estimator.fit_transform(images)

    assert np.array_equal(learned(None), learned(0))
    assert not np.array_equal(learned(0), learned(1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 5)), r"X has shape \(2, 5\)"),
        (np.full((2, 8, 8), 7.0), "values from 7"),
        (np.zeros((2, 8, 9)), "must be square"),
    ],
)
def test_wrong_images_are_value_errors(folder: Path, wrong: np.ndarray, message: str) -> None:
    for estimator in (WinnerFeatures.load(folder).transform, WinnerClassifier.load(folder).predict):
        with pytest.raises(ValueError, match=message):
            estimator(wrong)


def test_what_is_not_fitted_says_so(folder: Path, images: np.ndarray) -> None:
    for use in (WinnerFeatures(folder).transform, WinnerClassifier(folder).predict):
        with pytest.raises(NotFittedError):
            use(images)


def test_import_of_the_package_is_cheap() -> None:
    code = "import sys, hpconv; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"numpy", "sklearn", "h5py", "hyperopt"} & set(loaded.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'Winner'"):
        hpconv.Winner  # noqa: B018
