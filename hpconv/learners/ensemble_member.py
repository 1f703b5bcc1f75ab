"""What an ensemble needs to know of a classifier that it goes on from."""

import io
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hpconv.datasets.protocols import Task

SCORES = "scores"  # the attachment in which a trial keeps its member


class Member(Protocol):
    """A fitted classifier, or what was kept of one."""

    @property
    def penalty(self) -> np.ndarray:
        """What its weights cost in regularisation, ``(classes,)``."""
        ...

    def scores(self, task: Task) -> np.ndarray:
        """What it alone says of a task's examples, ``(n, classes)``."""
        ...


class StoredMember:
    """A member that was kept as bytes: it knows the tasks for which it was kept, by name."""

    def __init__(self, blob: bytes) -> None:
        with np.load(io.BytesIO(blob)) as arrays:
            self._arrays = dict(arrays)

    @property
    def penalty(self) -> np.ndarray:
        """What its weights cost in regularisation, ``(classes,)``."""
        return self._arrays["penalty"]

    def scores(self, task: Task) -> np.ndarray:
        """What it alone says of a task's examples, ``(n, classes)``."""
        return self._arrays[task.name]


def stored(member: Member, tasks: Sequence[Task]) -> bytes:
    """Keep of a member what an ensemble needs for these tasks: an .npz of float32."""
    arrays = {task.name: member.scores(task) for task in tasks} | {"penalty": member.penalty}
    buffer = io.BytesIO()
    small: dict[str, Any] = {name: array.astype("float32") for name, array in arrays.items()}
    np.savez(buffer, **small)
    return buffer.getvalue()
