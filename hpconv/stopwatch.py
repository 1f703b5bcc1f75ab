"""Measuring the durations of the steps of a computation."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Measures named steps: ``with stopwatch("fit"): ...``.

    Attributes:
        seconds: by name of the step; a repeated step adds to its seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(step, 0.0) + time.perf_counter() - start
            self.seconds[step] = round(spent, 4)
