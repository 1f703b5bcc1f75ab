"""The configuration: defaults, one-line errors, and the files that document it."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpconv import datasets
from hpconv.config import check_before_run, check_repeated_keys, load, resolve, schema, to_json
from hpconv.datasets import cropping
from hpconv.errors import UserError

ROOT = Path(__file__).parents[2]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "config" / name).read_text())
    return content


@pytest.mark.parametrize(
    ("config", "key", "found", "allowed"),
    [
        (
            {"search": {"workers": 0}},
            "search.workers",
            "0",
            "an integer (1 or more, 10000 or le",
        ),
        ({"search": {"workers": "two"}}, "search.workers", "'two'", "integer"),
        ({"search": {"max_evals": True}}, "search.max_evals", "True", "integer"),
        ({"search": {"max_evals": 2.5}}, "search.max_evals", "2.5", "integer"),
        ({"search": {"trial_seconds": 0}}, "search.trial_seconds", "0", "more than 0"),
        ({"search": {"max_minutes": True}}, "search.max_minutes", "True", "a number"),
        ({"search": {"start_from": 3}}, "search.start_from", "3", "a path or null"),
        ({"search": {"start_from_best": 0}}, "search.start_from_best", "0", "1 or more"),
        ({"search": {"rungs": [0.3, 0.1]}}, "search.rungs", "[0.3, 0.1]", "a list (rising), each"),
        ({"search": {"rungs": [0.1, 1]}}, "search.rungs.1", "1", "less than 1"),
        ({"search": {"rungs": 0.1}}, "search.rungs", "0.1", "or null"),
        ({"search": "tpe"}, "search", "'tpe'", "a section with the keys algorithm, max_evals"),
        ({"data": {"name": "cifra"}}, "data.name", "'cifra'", "one of: digits, mnist"),
        ({"data": {"path": 3}}, "data.path", "3", "a path or null"),
        ({"data": {"test": 0.9}}, "data.test", "0.9", "0.45 or less"),
        ({"search": {"worker": 2}}, "search.worker", "unknown", "did you mean 'workers'?"),
        ({"serach": {}}, "serach", "unknown", "did you mean 'search'?"),
        ({3: 4}, "3", "unknown", "allowed here: experiment, data"),
        ({"model": {"output_sizes": []}}, "model.output_sizes", "[]", "1 or more entries"),
        ({"model": {"output_sizes": [8, "x"]}}, "model.output_sizes.1", "'x'", "integer"),
        ({"model": {"max_layer_sizes": [32] * 3}}, "model.max_layer_sizes", "[32", "at most 2"),
        ({"model": None}, "model", "None", "a section with the keys output_sizes"),
        ({"ensemble": {"grow": "perhaps"}}, "ensemble.grow", "'perhaps'", "true or false"),
        ({"experiment": "a b"}, "experiment", "'a b'", "letters"),
        ({"experiment": 5}, "experiment", "5", "these three), in quotes"),
        ({"experiment": date(2024, 11, 30)}, "experiment", "'2024-11-30'", ", in quotes"),
        ({"experiment": "demo\n"}, "experiment", "'demo\\n'", "without braces, control"),
        ({"data": {"path": "a{b}"}}, "data.path", "'a{b}'", "null, without braces, control"),
        ({"search": {"workers": 10**9}}, "search.workers", "1000000000", "10000 or less"),
        ({"search": {"seed": 2**32}}, "search.seed", "4294967296", "4294967295 or less"),
        ({"search": {"max_minutes": float("inf")}}, "search.max_minutes", "inf", "a number"),
    ],
)
def test_error_names_key_value_and_allowed_values(
    config: dict[Any, Any], key: str, found: str, allowed: str
) -> None:
    with pytest.raises(UserError) as refusal:
        resolve({"experiment": "x", **config})
    message = str(refusal.value)
    assert "\n" not in message
    for part in (f"'{key}'", found, allowed):
        assert part in message


@pytest.mark.parametrize("rungs", [None, [], [0.1, 0.3]])
def test_growing_ensembles_have_no_rungs(rungs: list[float] | None) -> None:
    config = {"experiment": "x", "search": {"rungs": rungs}}
    assert (resolve(config).search.rungs or ()) == tuple(rungs or ())
    both = config | {"ensemble": {"grow": True}}
    if not rungs:
        assert resolve(both).ensemble.grow
        return
    with pytest.raises(UserError, match=r"'search.rungs' is \[0.1, 0.3\].*write 'rungs: null'"):
        resolve(both)


def test_section_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("experiment: a\nsearch:\n  seed: 1\nmodel: {}\nsearch:\n  seed: 2\n")
    with pytest.raises(UserError, match=r"own.yaml has the key 'search' in lines 2 and 5: write"):
        check_repeated_keys(path)
    path.write_text("experiment: a\nsearch:\n  seed: 1\n  seed: 2\n")
    with pytest.raises(UserError, match="the key 'seed' in lines 3 and 4"):
        check_repeated_keys(path)
    path.write_text("")
    check_repeated_keys(path)


def test_missing_experiment_name_is_refused() -> None:
    with pytest.raises(UserError, match="'experiment' is missing: write"):
        resolve({})


def test_misspelt_key_is_reported_before_the_missing_key() -> None:
    with pytest.raises(UserError, match="'experimnt' is unknown, did you mean 'experiment'"):
        resolve({"experimnt": "x"})


def test_text_from_a_command_line_override_is_converted() -> None:
    search = {"workers": "7", "trial_seconds": "1.5", "max_minutes": "null"}
    config = resolve({"experiment": "x", "search": search, "ensemble": {"grow": "true"}})
    assert (config.search.workers, config.search.trial_seconds) == (7, 1.5)
    assert config.search.max_minutes is None
    assert config.ensemble.grow is True


def test_old_name_of_trial_memory_is_accepted_with_a_warning() -> None:
    warnings: list[str] = []
    search = {"trial_memory_gb": 1.5, "trial_memory_mb": 8192}  # the latter from config.yaml
    config = resolve({"experiment": "x", "search": search}, warnings.append)
    assert config.search.trial_memory_mb == 1536
    (warning,) = warnings
    assert "'search.trial_memory_gb'" in warning
    assert "write 'trial_memory_mb: 1536'" in warning


def test_invalid_value_of_the_old_name_is_refused() -> None:
    with pytest.raises(UserError, match="'search.trial_memory_gb' is 'much': write 'trial_mem"):
        resolve({"experiment": "x", "search": {"trial_memory_gb": "much"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"experiment": "x", "search": {"workers": 0}}', "'search.workers' is 0: write"),
        ("{experiment: x}", "is not JSON"),
        ("[]", "write a section with the keys experiment, data"),
        ("\xff", "not JSON"),
    ],
)
def test_errors_in_a_file_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError) as refusal:
        load(path)
    assert str(path) in str(refusal.value)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_resolved_configuration_survives_json(tmp_path: Path) -> None:
    config = resolve({"experiment": "x", "search": {"trial_seconds": float("inf")}})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_json(config)))
    assert load(path) == config


@pytest.mark.parametrize("name", [path.name for path in (ROOT / "config").glob("*.yaml")])
def test_shipped_configurations_are_valid(name: str) -> None:
    warnings: list[str] = []
    assert resolve(read(name), warnings.append).experiment
    assert not warnings


def test_config_yaml_has_every_key_with_its_default() -> None:
    config = read("config.yaml")
    assert to_json(resolve({"experiment": config["experiment"]})) == config


def test_config_yaml_has_every_key_with_its_description() -> None:
    text = (ROOT / "config/config.yaml").read_text()
    comments = re.findall(r"((?:^ *# .*\n)+)^ *(\w+): ", text, re.M)
    found = [(key, " ".join(re.findall("# (.*)", lines))) for lines, key in comments]
    expected = []
    for name in schema.find()["properties"]:
        for key, part in schema.leaves(name).items():
            choices = f" One of: {', '.join(part['enum'])}." if "enum" in part else ""
            expected.append((key.rpartition(".")[2], part["description"] + choices))
    assert found == expected


def test_every_data_set_has_a_loader() -> None:
    assert set(schema.find(["data", "name"])["enum"]) == set(datasets.LOADERS)


def test_smallest_size_suits_the_cropping_of_images() -> None:
    assert schema.find(["data", "size"])["anyOf"][0]["minimum"] == cropping.MIN_SIZE


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"search": {"max_evals": 3}, "evaluation": {"winners": 9}}, "'evaluation.winners' is 9"),
        ({"data": {"name": "folder"}}, "'data.path' is missing: data.name folder"),
    ],
)
def test_run_that_would_end_without_a_result_is_refused(
    sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_before_run(resolve({"experiment": "mine", **sections}))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"name": "mnist"}, "evaluation": {"flips": True}}, "flips: false"),
        ({"data": {"name": "lfw"}, "evaluation": {"flips": True}}, "are pairs of images"),
        ({"evaluation": {"max_n_features": 16000}}, "model.max_n_features' is 16000: write more"),
    ],
)
def test_useless_variants_of_winners_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_before_run(resolve({"experiment": "mine", **sections}))


def test_home_folder_in_paths_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    sections = {"data": {"name": "folder", "path": "~/photos"}, "evaluation": {"cache": "~/c"}}
    settings = resolve({"experiment": "mine", **sections})
    assert settings.data.path == Path("/home/me/photos")
    assert settings.evaluation.cache == Path("/home/me/c")
