"""Refit selected trials on the training examples of each fold and test them once."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hpconv import features, trials
from hpconv.config import ModelSettings
from hpconv.datasets import origin
from hpconv.datasets.protocols import Evaluation, Outcome, Task
from hpconv.learners import Classifier, classifier
from hpconv.learners.linear import FeatureClassifier
from hpconv.learners.linear_scores import Linear
from hpconv.model.pipeline import describe
from hpconv.stopwatch import Stopwatch
from hpconv.trials import Trial

KEPT_SHARE = 0.7  # of the memory, for features; the rest is for fitting


class StagewiseEnsemble:
    """Classifiers that are fitted one after another, each given those before it.

    Args:
        factories: one for each member; each takes the earlier members as ``members``.

    Attributes:
        members: fitted so far, oldest first.
        decision: scores ``(n, classes)`` of the last member in the latest call of ``predict``.
    """

    decision: np.ndarray

    def __init__(self, factories: Sequence[Callable[..., Classifier]]) -> None:
        self._factories = factories
        self.members: tuple[Classifier, ...] = ()

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit all members to a task's examples."""
        self.members = ()
        for factory in self._factories:
            member = factory(members=self.members)
            member.fit(task, validation)
            self.members += (member,)

    @property
    def classes(self) -> np.ndarray:
        """The class numbers that can be predicted, ascending."""
        return self.members[-1].classes

    def linear(self) -> list[Linear]:
        """Each member's share of the scores of images, which are their sum; none for pairs."""
        fitted = [member for member in self.members if isinstance(member, FeatureClassifier)]
        if not fitted:
            return []
        *earlier, last = fitted
        weighted = zip(earlier, last.member_weights, strict=True)
        return [*(member.linear(weights) for member, weights in weighted), last.linear()]

    def predict(self, task: Task) -> np.ndarray:
        """Class numbers ``(n,)`` that the last member predicts for a task's examples."""
        self.decision = self.members[-1].decision_function(task)
        return self.classes[self.decision.argmax(axis=1)]


@dataclass(frozen=True)
class RefitResult:
    """A refitted and tested trial or ensemble.

    Attributes:
        outcomes, fitted: of each fold.
        feature_shape: of an image, for an ensemble those of the last member.
        seconds: by step, summed over members.
    """

    outcomes: list[Outcome]
    fitted: list[StagewiseEnsemble]
    feature_shape: tuple[int, ...]
    seconds: dict[str, float]


def refit_and_test(
    members: list[Trial],
    data: Path,
    extracted: list[Path],
    model: ModelSettings,
    *,
    memory_mb: int,
) -> RefitResult:
    """Fit a trial or an ensemble to each fold and test it on the fold's test examples.

    Args:
        members: a trial, or the members of an ensemble, oldest first.
        extracted: their feature files.
        memory_mb: memory limit of the process in MiB; features beyond it are read again for
            each step of the solver.
    """
    origin.check_trial(members[-1], data)
    watch, evaluation = Stopwatch(), Evaluation(data)
    with ExitStack() as open_files:
        files = [open_files.enter_context(features.opened(path)) for path in extracted]
        factories = [
            partial(
                classifier,
                file["features"],
                file["rows"][()],
                describe(trials.hyperparameters(member), evaluation.image_shape, model).classifier,
                pairs=evaluation.pairs,
                chosen=member["result"].get("chosen"),
                kept_bytes=int(KEPT_SHARE * memory_mb * 2**20),
            )
            for file, member in zip(files, members, strict=True)
        ]
        fitted = [StagewiseEnsemble(factories) for _ in evaluation.folds]
        with watch("retrain"):
            outcomes = [
                fold.fit_and_test(algorithm)
                for fold, algorithm in zip(evaluation.folds, fitted, strict=True)
            ]
        watch.seconds["extract"] = round(sum(float(file.attrs["seconds"]) for file in files), 4)
        shape = files[-1]["features"].shape[1:]
    return RefitResult(outcomes, fitted, shape, watch.seconds)
