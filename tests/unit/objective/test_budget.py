"""Prediction of memory from shapes."""

from dataclasses import replace
from pathlib import Path

import pytest

from hpconv.datasets.protocols import Selection
from hpconv.errors import CandidateError
from hpconv.model.pipeline import describe
from hpconv.objective.budget import Counts, check_memory, count
from tests.unit.objective.test_objective import CANDIDATE, MODEL


def test_memory_of_pair_kernels_is_predicted() -> None:
    pipeline = describe(CANDIDATE, (1, 8, 8), MODEL)
    counts = Counts((1, 8, 8), 5000, 3000, 2200, 1000, pairs=True)
    check_memory(pipeline, counts, MODEL, limit_mb=1024)
    with pytest.raises(CandidateError, match="out_of_memory"):
        check_memory(
            pipeline, replace(counts, train=22_000, validation=10_000), MODEL, limit_mb=1024
        )


def test_few_pairs_need_less_than_the_blocks_of_many() -> None:
    pipeline = describe(CANDIDATE, (1, 8, 8), MODEL)
    counts = Counts((1, 8, 8), 400, 300, 150, 70, pairs=True)
    check_memory(pipeline, counts, MODEL, limit_mb=96)


def test_train_images_are_those_that_filters_are_learned_from(digits: Path) -> None:
    selection = Selection(digits)
    counts = count(selection)
    assert counts.train_images == len(selection.unlabelled(10**6)) < counts.images
