"""The section ``data`` of a configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VALIDATION, TEST = 0.25, 0.25  # shares, without official splits and without these keys

Channels = Literal["auto", "gray", "rgb"]


@dataclass(frozen=True)
class DataSettings:
    """Which images to load, and how.

    Attributes:
        name: of the data set or of the kind of source.
        seed: of random splits.
        validation: share of the examples; None for the default or the official split.
        test: share of the examples; None for the default or the official split.
        path: the folder of a published data set's files, or the user's own images.
        size: side of the square images in pixels; None to keep the original size.
        channels: auto keeps gray images gray.
        corrupt: what to do with files that cannot be decoded.
        fraction: the share of each part that is used.
    """

    name: str
    seed: int = 0
    validation: float | None = None
    test: float | None = None
    path: Path | None = None
    size: int | None = None
    channels: Channels = "auto"
    corrupt: Literal["refuse", "skip"] = "refuse"
    fraction: float = 1.0
