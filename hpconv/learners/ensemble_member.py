"""What an ensemble needs of each member: its scores and its regularisation cost."""

import io
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hpconv.datasets.protocols import Task


class Member(Protocol):
    """A fitted classifier, or the stored scores of one."""

    @property
    def penalty(self) -> np.ndarray:
        """Regularisation cost of its weights, ``(classes,)``."""
        ...

    def scores(self, task: Task) -> np.ndarray:
        """Scores of a task's examples without the other members, ``(n, classes)``."""
        ...


class StoredMember:
    """A member loaded from bytes; it has scores for the tasks that were stored, by name."""

    def __init__(self, blob: bytes) -> None:
        with np.load(io.BytesIO(blob)) as arrays:
            self._arrays = dict(arrays)

    @property
    def penalty(self) -> np.ndarray:
        """Regularisation cost of its weights, ``(classes,)``."""
        return self._arrays["penalty"]

    def scores(self, task: Task) -> np.ndarray:
        """Scores of a task's examples without the other members, ``(n, classes)``.

        Raises:
            KeyError: when the task was not stored.
        """
        return self._arrays[task.name]


def pack_member(member: Member, tasks: Sequence[Task]) -> bytes:
    """Serialise a member's penalty and its scores for tasks as float32 arrays in an .npz."""
    arrays = {task.name: member.scores(task) for task in tasks} | {"penalty": member.penalty}
    buffer = io.BytesIO()
    small: dict[str, Any] = {name: array.astype("float32") for name, array in arrays.items()}
    np.savez(buffer, **small)
    return buffer.getvalue()
