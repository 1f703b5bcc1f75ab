"""Checks that a published data set is complete and stays unchanged."""

from collections.abc import Sequence

import numpy as np

from hpconv.config import DataSettings
from hpconv.errors import UserError


def check_counts(source: str, labels: np.ndarray, published: Sequence[int]) -> None:
    """Compare the number of images of each class with the published numbers.

    Raises:
        UserError: when they differ; it has both.
    """
    found = np.bincount(labels, minlength=len(published)).tolist()
    if found != list(published):
        raise UserError(
            f"{source} has {found} images of its classes, not {list(published)}: get the original"
        )


def refuse_changes(settings: DataSettings) -> None:
    """Reject settings that would change images which were published in one size and colour mode.

    Raises:
        UserError: when ``data.size``, ``data.channels`` or ``data.value_range`` is set.
    """
    for key, value, unchanged in (
        ("size", settings.size, None),
        ("channels", settings.channels, "auto"),
        ("value_range", settings.value_range, None),
    ):
        if value != unchanged:
            raise UserError(
                f"config key 'data.{key}' is {value}, but images of {settings.name} are not "
                f"changed: write 'data.{key}: {unchanged or 'null'}'"
            )
