"""Sections ``search`` and ``ensemble`` of the configuration."""

import sys
from math import inf
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hpconv.config.rules import (
    RULES,
    Count,
    Positive,
    Rungs,
    Section,
    Seed,
    UserPath,
    Workers,
)


@dataclass(frozen=True, config=RULES)
class SearchSettings(Section):
    """The keys of section ``search`` that decide which trials a search makes."""

    algorithm: Literal["tpe", "forest", "random", "anneal"] = Field(
        default="forest",
        description="Algorithm that suggests candidates: hyperopt's tpe, random or anneal, or "
        "forest, whose trees learn from all exits at once.",
    )
    max_evals: Count = Field(
        default=200, description="Number of trials to finish, failed and stopped trials included."
    )
    max_minutes: Positive | None = Field(
        default=None,
        description="Stop after this many minutes of searching, summed over all runs; null for "
        "no limit.",
    )
    target_loss: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Stop when a trial reaches this error rate; null for never."
    )
    no_improvement_trials: Count | None = Field(
        default=None,
        description="Stop after this many trials without an improvement; null for never.",
    )
    redraw: bool = Field(
        default=True,
        description="Whether to draw a candidate again, before it is queued, if it cannot be built "
        "or would need too much memory; false for a failed trial, as published.",
    )
    rungs: Rungs | None = Field(
        default=None,
        description="Shares of the training and validation images on which a trial is fitted "
        "first, such as [0.1, 0.3]. At each, only the best third of the trials that have reached "
        "it go on, as soon as there are nine; null for whole trials, as published.",
    )
    startup_trials: Count = Field(
        default=20,
        description="Number of trials before tpe and forest use the history; trials until then are "
        "random, except those of start_from.",
    )
    start_from: UserPath | None = Field(
        default=None,
        description="File trials.jsonl of another experiment, whose best trials are evaluated "
        "first; null for none.",
    )
    start_from_best: Count = Field(
        default=10,
        description="Number of trials to evaluate first, each of a different pipeline.",
    )
    seed: Seed = Field(default=0, description="Random seed of the suggestions.")
    patience_minutes: Positive = Field(
        default=720,
        description="Stop the search after this many minutes in which all workers wait in a queue.",
    )


@dataclass(frozen=True, config=RULES)
class Budget(Section):
    """The keys of section ``search`` that limit one trial."""

    trial_seconds: Annotated[float, Field(gt=0)] = Field(  # infinity is no limit
        default=600,
        description="Maximum duration of a trial in seconds; a longer one fails as too_slow.",
    )
    images_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=20,
        description="Minimum speed of feature extraction; a slower candidate fails as too_slow.",
    )
    trial_memory_mb: Annotated[int, Field(ge=1)] = Field(
        default=8192,
        description="Maximum memory of a trial in MiB; a candidate that needs more fails as "
        "out_of_memory.",
    )


UNLIMITED = Budget(trial_seconds=inf, images_per_second=0, trial_memory_mb=sys.maxsize)


@dataclass(frozen=True, config=RULES)
class SearchSection(Budget, SearchSettings):
    """Section ``search``: when the search stops, what a trial may take, and the workers."""

    workers: Workers | None = Field(
        default=None,
        description="Number of workers, which evaluate trials in parallel; null for as many as "
        "there are job slots.",
    )
    worker_threads: Count = Field(default=1, description="Processor cores of each worker.")

    @property
    def worker_memory_mb(self) -> int:
        """Memory of a worker's job in MiB: a trial, and the processes around it."""
        return self.trial_memory_mb + 1500


@dataclass(frozen=True, config=RULES)
class EnsembleSettings(Section):
    """Section ``ensemble``: whether and how trials extend an ensemble of earlier ones."""

    grow: bool = Field(
        default=False,
        description="Whether trials extend an ensemble of the best trials before them.",
    )
    bagging_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="Weight of a trial's own error in its loss; the rest is the error of the "
        "extended ensemble (1 is bagging, 0 is boosting).",
    )
    min_ok_per_round: Count = Field(
        default=40,
        description="Number of successful trials before the best of them joins the ensemble.",
    )
    min_valid_per_round: Count = Field(
        default=40,
        description="Number of trials without a programming error before the best of them joins "
        "the ensemble.",
    )
    absolute_loss_thresh: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="A trial with a greater loss cannot join the ensemble."
    )
    relative_loss_thresh: Positive | None = Field(
        default=None,
        description="A trial joins only if its loss is less than this multiple of the last "
        "member's; null for no limit.",
    )
