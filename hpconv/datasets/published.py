"""Data sets stay as they were published: all of their images, unchanged."""

from collections.abc import Sequence

import numpy as np

from hpconv.datasets.settings import DataSettings
from hpconv.errors import UserError


def check_counts(of: str, labels: np.ndarray, published: Sequence[int]) -> None:
    """Refuse labels of which there are not as many, class by class, as was published.

    Raises:
        UserError: with both numbers.
    """
    found = np.bincount(labels, minlength=len(published)).tolist()
    if found != list(published):
        raise UserError(f"{of} has {found} images of its classes, not {list(published)}")


def refuse_changes(settings: DataSettings) -> None:
    """Refuse to change images that are of one size and colour as they were published.

    Raises:
        UserError: naming the key.
    """
    for key, value, unchanged in (
        ("size", settings.size, None),
        ("channels", settings.channels, "auto"),
    ):
        if value != unchanged:
            raise UserError(
                f"config key 'data.{key}' is {value}, but the images of {settings.name} stay as "
                f"they were published: write 'data.{key}: {unchanged or 'null'}'"
            )
