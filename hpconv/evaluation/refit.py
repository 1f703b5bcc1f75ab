"""Chosen trials fitted again on all that they may see, and measured once on the rest."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hpconv import features, trials
from hpconv.config import ModelSettings
from hpconv.datasets.protocols import Evaluation, Outcome, Task
from hpconv.learners import Classifier, classifier
from hpconv.model.pipeline import describe
from hpconv.stopwatch import Stopwatch
from hpconv.trials import Trial

KEPT_SHARE = 0.7  # of the memory, for features; the rest is for what is made of them


class StagewiseEnsemble:
    """Classifiers that are fitted one after another, each on what those before it say.

    After it has labelled a task, ``decision`` (n, classes) are its scores there.
    """

    decision: np.ndarray

    def __init__(self, new: Sequence[Callable[..., Classifier]]) -> None:
        """Take a function for each member that creates it from the members before it."""
        self._new = new
        self.members: tuple[Classifier, ...] = ()

    def fit(self, task: Task, validation: Task | None = None) -> None:
        """Fit all members to a task's examples."""
        self.members = ()
        for new in self._new:
            member = new(members=self.members)
            member.fit(task, validation)
            self.members += (member,)

    @property
    def classes(self) -> np.ndarray:
        """The labels that it can give, rising."""
        return self.members[-1].classes

    def predict(self, task: Task) -> np.ndarray:
        """Labels for a task's examples: the last member has the last word."""
        self.decision = self.members[-1].decision_function(task)
        return self.classes[self.decision.argmax(axis=1)]


@dataclass(frozen=True)
class RefitResult:
    """A trial or ensemble that was measured: outcome and fitted algorithm of each fold."""

    outcomes: list[Outcome]
    fitted: list[StagewiseEnsemble]
    feature_shape: tuple[int, ...]
    seconds: dict[str, float]


def refit_and_test(
    members: list[Trial],
    data: Path,
    extracted: list[Path],
    model: ModelSettings,
    memory_mb: int,
) -> RefitResult:
    """Fit trials one after another to each fold, and measure the last on the fold's test examples.

    Args:
        members: a trial, or the members of an ensemble, oldest first.
        extracted: their features.
        memory_mb: MiB that the process may take; features beyond are read anew for each step.
    """
    watch, evaluation = Stopwatch(), Evaluation(data)
    with ExitStack() as open_files:
        files = [open_files.enter_context(features.opened(path)) for path in extracted]
        new = [
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
        fitted = [StagewiseEnsemble(new) for _ in evaluation.folds]
        with watch("retrain"):
            outcomes = [
                fold.fit_and_test(algorithm)
                for fold, algorithm in zip(evaluation.folds, fitted, strict=True)
            ]
        watch.seconds["extract"] = round(sum(float(file.attrs["seconds"]) for file in files), 4)
        shape = files[-1]["features"].shape[1:]
    return RefitResult(outcomes, fitted, shape, watch.seconds)
