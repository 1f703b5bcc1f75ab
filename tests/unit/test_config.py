"""A wrong configuration gets one line: the key, what was found, what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hpconv import datasets
from hpconv.config import resolve
from hpconv.errors import UserError
from hpconv.model.pipeline import ModelSettings

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "config/schemas/config.schema.yaml").read_text())


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config" / name).read_text())


@pytest.mark.parametrize(
    ("config", "key", "found", "allowed"),
    [
        ({"search": {"workers": 0}}, "search.workers", "0", "1 or more"),
        ({"search": {"workers": "two"}}, "search.workers", "'two'", "integer"),
        ({"search": {"max_evals": True}}, "search.max_evals", "True", "integer"),
        ({"data": {"name": "cifra"}}, "data.name", "'cifra'", "digits"),
        ({"data": {"test": 0.9}}, "data.test", "0.9", "0.45 or less"),
        ({"search": {"worker": 2}}, "search.worker", "unknown", "did you mean 'workers'?"),
        ({"serach": {}}, "serach", "unknown", "did you mean 'search'?"),
        ({"model": {"output_sizes": []}}, "model.output_sizes", "[]", "1 or more entries"),
        ({"model": {"output_sizes": [8, "x"]}}, "model.output_sizes.1", "'x'", "integer"),
        ({"model": None}, "model", "None", "object"),
        ({"experiment": "a b"}, "experiment", "'a b'", "letters"),
    ],
)
def test_refusal_names_key_found_and_allowed(
    config: dict[str, Any], key: str, found: str, allowed: str
) -> None:
    with pytest.raises(UserError) as refusal:
        resolve({"experiment": "x", **config}, SCHEMA)
    message = str(refusal.value)
    assert "\n" not in message
    for part in (f"'{key}'", found, allowed):
        assert part in message


def test_a_missing_name_is_refused() -> None:
    with pytest.raises(UserError, match="'experiment' is missing"):
        resolve({}, SCHEMA)


def test_numbers_inside_a_command_line_override_are_numbers() -> None:
    resolved = resolve({"experiment": "x", "search": {"workers": "7"}}, SCHEMA)
    assert resolved["search"]["workers"] == 7


@pytest.mark.parametrize("name", [path.name for path in (ROOT / "config").glob("*.yaml")])
def test_shipped_configurations_are_valid(name: str) -> None:
    assert resolve(read(name), SCHEMA)["experiment"]


def test_the_teaching_configuration_shows_every_key_with_its_default() -> None:
    config = read("config.yaml")
    assert resolve({"experiment": config["experiment"]}, SCHEMA) == config


def test_sections_fit_what_they_configure() -> None:
    config = resolve({"experiment": "x"}, SCHEMA)
    assert ModelSettings(**config["model"])
    assert datasets.DataSettings(**config["data"])
    assert set(SCHEMA["properties"]["data"]["properties"]["name"]["enum"]) == set(datasets.LOADERS)
