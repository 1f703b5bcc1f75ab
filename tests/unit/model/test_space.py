"""Comparison of the search space with the published one."""

import json
from pathlib import Path

import numpy as np
import pytest
from hyperopt import Trials, rand, space_eval
from hyperopt.base import Domain

from hpconv.model.space import Assignment, evaluate, search_space
from hpconv.model.space_table import digest, table
from hpconv.trials import hyperparameters

SPACE = json.loads((Path(__file__).parents[2] / "fixtures" / "search_space.json").read_text())


@pytest.fixture(scope="module")
def parameters() -> dict:
    return Domain(lambda assignment: 0.0, search_space((32, 64), (64, 128))).params


def test_labels_are_the_published_238(parameters: dict) -> None:
    assert len(SPACE) == 238
    assert set(parameters) == {entry["label"] for entry in SPACE}


@pytest.mark.parametrize("entry", SPACE, ids=lambda entry: entry["label"])
def test_distribution_is_the_published_one(parameters: dict, entry: dict) -> None:
    node = parameters[entry["label"]]
    node = node.pos_args[1] if node.name == "hyperopt_param" else node
    named = {name: value.obj for name, value in node.named_args if name not in ("rng", "size")}
    values = [value.obj for value in node.pos_args] + list(named.values())
    assert node.name == entry["dist"]
    expected = entry["args"] + list(entry["kw"].values())
    np.testing.assert_allclose(sorted(values), sorted(expected), rtol=1e-12)


@pytest.mark.parametrize(("depth", "exits"), [(0, 3), (1, 6), (2, 9)])
def test_every_stackable_layer_adds_three_exits(depth: int, exits: int) -> None:
    domain = Domain(lambda assignment: 0.0, search_space((16,), (32,) * depth))
    assert domain.params["exit"].pos_args[0].obj == exits


def test_digest_depends_on_ranges_options_and_their_order() -> None:
    spaces = [((32, 64), (64,)), ((64, 32), (64,)), ((32, 64), (96,)), ((32,), (64,))]
    digests = [digest(search_space(*sizes)) for sizes in spaces]
    assert len(set(digests)) == len(spaces)
    assert digest(search_space((32, 64), (64,))) == digests[0]


ROWS = {row["label"]: row for row in table(search_space((32, 64), (64, 128)))}


@pytest.mark.parametrize("entry", SPACE, ids=lambda entry: entry["label"])
def test_table_row_is_the_published_one(entry: dict) -> None:
    row = ROWS[entry["label"]]
    assert {key: row[key] for key in entry} == entry


def drawn_from(domain: Domain, seed: int) -> Assignment:
    (trial,) = rand.suggest([seed], domain, Trials(), seed)
    return hyperparameters(trial)


@pytest.mark.parametrize("seed", range(30))
def test_conditions_hold_for_the_active_hyperparameters(seed: int) -> None:
    domain = Domain(lambda assignment: 0.0, search_space((32, 64), (64, 128)))
    drawn = drawn_from(domain, seed)

    def holds(label: str) -> bool:
        conditions = ROWS[label]["condition"].items()
        return all(drawn.get(choice) in options for choice, options in conditions)

    assert {label for label in ROWS if holds(label)} == set(drawn)


@pytest.mark.parametrize("seed", range(9))
def test_values_are_those_of_hyperopt(seed: int) -> None:
    space = search_space((32, 64), (64, 128))
    drawn = drawn_from(Domain(lambda assignment: 0.0, space), seed)
    as_json = [
        json.dumps(chosen, default=str)
        for chosen in (evaluate(space, drawn), space_eval(space, drawn))
    ]
    assert as_json[0] == as_json[1]


@pytest.mark.parametrize("wrong", [{}, {"exit": 9}, {"exit": -1}, {"exit": [0]}, []])
def test_assignments_outside_the_space_are_refused(wrong: Assignment) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        evaluate(search_space((32,), (64, 128)), wrong)
