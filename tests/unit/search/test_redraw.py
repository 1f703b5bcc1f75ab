"""Suggestions are drawn again from the model, then at random, then queued as they are."""

from collections.abc import Iterable
from typing import Any

import pytest

from hpconv.search.redraw import (
    MODEL_REDRAWS,
    RANDOM_REDRAWS,
    Suggestion,
    suggest,
    suggest_feasible,
)
from hpconv.trials import Trial


class Recorder:
    """An algorithm that suggests the seed that it is given."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.seeds: list[int] = []
        self.refusals: list[int] = []

    def tell(self, trials: Iterable[Trial]) -> None: ...

    def suggest(self, tid: int, seed: int, refusals: int = 0) -> dict[str, Any]:
        self.seeds.append(seed)
        self.refusals.append(refusals)
        return {"seed": seed}


@pytest.fixture
def model() -> Recorder:
    return Recorder("tpe")


@pytest.fixture
def at_random() -> Recorder:
    return Recorder("random")


@pytest.mark.parametrize("refusals", [0, 1, MODEL_REDRAWS, MODEL_REDRAWS + 1, MODEL_REDRAWS + 9])
def test_the_first_feasible_suggestion_is_taken(
    model: Recorder, at_random: Recorder, refusals: int
) -> None:
    answers = iter([False] * refusals + [True])
    found = suggest_feasible(
        model, 7, 3, at_random=at_random, is_feasible=lambda values: next(answers)
    )
    seeds = model.seeds + at_random.seeds
    source = "tpe" if refusals <= MODEL_REDRAWS else "random"
    assert found == Suggestion({"seed": seeds[-1]}, source, redrawn=refusals)
    assert model.refusals == list(range(min(refusals, MODEL_REDRAWS) + 1))
    assert len(set(seeds)) == len(seeds) == refusals + 1


def test_without_a_feasible_suggestion_the_last_one_is_queued(
    model: Recorder, at_random: Recorder
) -> None:
    found = suggest_feasible(model, 7, 3, at_random=at_random, is_feasible=lambda values: False)
    assert found.redrawn == MODEL_REDRAWS + RANDOM_REDRAWS
    assert len(at_random.seeds) == RANDOM_REDRAWS
    assert found.values == {"seed": at_random.seeds[-1]}


def test_seeds_depend_on_search_trial_and_attempt_alone() -> None:
    def seeds(tid: int, seed: int) -> list[int]:
        model = Recorder("tpe")
        answers = iter([False, False, True])
        check = lambda values: next(answers)  # noqa: E731
        suggest_feasible(model, tid, seed, at_random=Recorder("random"), is_feasible=check)
        return model.seeds

    assert seeds(7, 3) == seeds(7, 3)
    assert not {*seeds(7, 3)} & {*seeds(8, 3), *seeds(7, 4)}


def test_the_first_attempt_is_the_suggestion_without_redraws(
    model: Recorder, at_random: Recorder
) -> None:
    kept = suggest_feasible(model, 7, 3, at_random=at_random, is_feasible=lambda values: True)
    assert suggest(model, 7, 3) == kept
