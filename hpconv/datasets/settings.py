"""What a configuration says of the images."""

from dataclasses import dataclass
from pathlib import Path

VALIDATION, TEST = 0.25, 0.25  # shares, where neither official splits nor a configuration say


@dataclass(frozen=True)
class DataSettings:
    """The section ``data`` of a configuration.

    Args:
        path: where the archive files of a data set, or somebody's own images, are.
        size: pixels of the side of the square that images become; None to keep them.
        channels: auto, gray or rgb.
        corrupt: refuse or skip files that are no images.
        fraction: the share of each part that is used.
    """

    name: str
    seed: int = 0
    validation: float | None = None
    test: float | None = None
    path: Path | None = None
    size: int | None = None
    channels: str = "auto"
    corrupt: str = "refuse"
    fraction: float = 1.0
