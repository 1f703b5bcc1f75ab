"""Reads a configuration: fills in defaults and reports what is wrong in one line."""

import logging
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpconv.config.schema import allowed, find
from hpconv.config.search_settings import SearchSettings
from hpconv.config.settings import RESULT_NEUTRAL_SETTINGS, Config, ModelSettings
from hpconv.errors import UserError
from hpconv.trials import Trial

OWN_IMAGES = ("folder", "csv", "pairs", "hdf5")  # of data.name
DIGITS, PAIRS = ("digits", "mnist", "svhn"), ("lfw", "pairs")
UNKNOWN = ("unexpected_keyword_argument", "invalid_key")  # pydantic's names of this error
UNUSABLE = "unusable_text"  # of Section

log = logging.getLogger(__name__)


def resolve(config: dict[str, Any], warn: Callable[[str], None] = log.warning) -> Config:
    """The configuration with the default of each key that is left out.

    Args:
        warn: called with one line for each key that has been renamed.

    Raises:
        UserError: naming the key, the value found and what to write instead.
    """
    try:
        settings = TypeAdapter(Config).validate_python(_with_new_names(config, warn))
    except ValidationError as invalid:
        raise UserError(_explain(invalid)) from None
    if settings.search.rungs and settings.ensemble.grow:
        raise UserError(
            f"config key 'search.rungs' is {list(settings.search.rungs)}, but 'ensemble.grow' is "
            "true: write 'rungs: null', because only whole trials can join an ensemble"
        )
    return settings


def check_before_run(settings: Config) -> None:
    """Refuse settings with which a run would end without a result, before it starts.

    Raises:
        UserError: naming the key, the value found and what to write instead.
    """
    data, winners = settings.data, settings.evaluation.winners
    if data.name in OWN_IMAGES and data.path is None:
        raise UserError(
            f"config key 'data.path' is missing: data.name {data.name} needs the path of your "
            "images, 'hpconv init' writes it"
        )
    if winners > settings.search.max_evals:
        raise UserError(
            f"config key 'evaluation.winners' is {winners}, but 'search.max_evals' is "
            f"{settings.search.max_evals}: write {settings.search.max_evals} or less, or raise "
            "'search.max_evals'"
        )
    _check_variants(settings)


def _check_variants(settings: Config) -> None:
    name, more = settings.data.name, settings.evaluation.max_n_features
    if settings.evaluation.flips and name in (*DIGITS, *PAIRS):
        reason = "mirrored digits are none" if name in DIGITS else "examples are pairs of images"
        raise UserError(
            f"config key 'evaluation.flips' is true, but data.name is {name}: write 'flips: "
            f"false', because {reason}"
        )
    if more is not None and more <= settings.model.max_n_features:
        raise UserError(
            f"config key 'evaluation.max_n_features' is {more}, but 'model.max_n_features' is "
            f"{settings.model.max_n_features}: write more than that, or null"
        )


def read_yaml(path: Path) -> Config:
    """The configuration in a YAML file, as a run of the workflow would read it.

    Raises:
        UserError: naming the file, the key, the value found and what to write instead.
    """
    import yaml

    try:
        check_repeated_keys(path)
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} has no keys: write them as in config/config.yaml")
    settings = resolve(content)
    check_before_run(settings)
    return settings


def load(path: Path) -> Config:
    """The configuration in a JSON file, such as ``results/<experiment>/config.json``.

    Raises:
        UserError: naming the file, the key, the value found and what to write instead.
    """
    try:
        return TypeAdapter(Config).validate_json(path.read_text())
    except ValidationError as invalid:
        raise UserError(f"{path}: {_explain(invalid)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file ({error}): write a JSON object") from None


def check_repeated_keys(path: Path) -> None:
    """Refuse a YAML or JSON file that has a key twice, of which YAML readers keep the last.

    Raises:
        UserError: naming the file, the key and its lines.
    """
    import yaml  # here, as only the workflow needs it

    with path.open(encoding="utf-8") as file:
        nodes = [yaml.compose(file)]
    while nodes:
        node = nodes.pop()
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        nodes += [value for _, value in pairs]
        first: dict[str, int] = {}
        for key, _ in pairs:
            line = key.start_mark.line + 1
            if (earlier := first.setdefault(key.value, line)) != line:
                raise UserError(
                    f"{path} has the key '{key.value}' in lines {earlier} and {line}: write it once"
                )


def search_record(config: Config) -> dict[str, Any]:
    """The settings that decide which trials a search makes, as ``search.json`` records them."""
    names = [field.name for field in fields(SearchSettings)]
    chosen = {key: value for key, value in to_json(config.search).items() if key in names}
    return chosen | {"ensemble": to_json(config.ensemble) if config.ensemble.grow else {}}


def model_of(trial: Trial, **changes: Any) -> ModelSettings:
    """The model settings with which a trial was made, with some keys changed.

    Raises:
        UserError: when the trial does not record valid settings.
    """
    try:
        return ModelSettings(**trial["misc"].get("model", {}) | changes)
    except (TypeError, ValidationError) as error:
        first = str(error).splitlines()[-1]
        raise UserError(f"trial {trial['tid']} has invalid model settings: {first}") from None


def with_model_of(trial: Trial, here: ModelSettings) -> ModelSettings:
    """The model settings of a trial, with the engine and batch size configured here."""
    return model_of(trial, **{key: getattr(here, key) for key in RESULT_NEUTRAL_SETTINGS})


def to_json(settings: Any) -> dict[str, Any]:
    """A configuration, or a section of one, as a JSON object."""
    plain: dict[str, Any] = TypeAdapter(type(settings)).dump_python(settings, mode="json")
    return plain


def _with_new_names(config: dict[str, Any], warn: Callable[[str], None]) -> dict[str, Any]:
    """Accept ``search.trial_memory_gb``, the name of ``trial_memory_mb`` in earlier versions."""
    search = config.get("search")
    if not (isinstance(search, dict) and "trial_memory_gb" in search):
        return config
    rest = {key: value for key, value in search.items() if key != "trial_memory_gb"}
    try:
        megabytes = int(1024 * float(search["trial_memory_gb"]))
    except (TypeError, ValueError):
        raise UserError(
            f"config key 'search.trial_memory_gb' is {search['trial_memory_gb']!r}: write "
            "'trial_memory_mb' and a number of MiB instead"
        ) from None
    warn(
        f"config key 'search.trial_memory_gb' is now called 'trial_memory_mb': write "
        f"'trial_memory_mb: {megabytes}' (MiB) instead"
    )
    return config | {"search": rest | {"trial_memory_mb": megabytes}}


def _explain(invalid: ValidationError) -> str:
    """The first error in one line; unknown keys come first, as they cause other errors."""
    errors = invalid.errors(include_url=False)
    error = min(errors, key=lambda error: error["type"] not in UNKNOWN)
    if error["type"] == "json_invalid":
        return f"this is not JSON ({error['ctx']['error']}): write a JSON object"
    name = f"config key '{'.'.join(map(str, error['loc']))}'" if error["loc"] else "the file"
    if error["type"] in UNKNOWN:
        return f"{name} is unknown, {_suggestion(error['loc'])}"
    if error["type"] == "missing":
        return f"{name} is missing: write for example 'experiment: my-first'"
    value, part = error["input"], find(error["loc"])
    found = repr(str(value) if isinstance(value, date) else value)
    hint = ", without braces, control or invalid characters" if error["type"] == UNUSABLE else ""
    if part.get("type") == "string" and isinstance(value, (int, float, date)):
        hint = ", in quotes"
    return f"{name} is {found}: write {allowed(part)}{hint}"


def _suggestion(path: tuple[int | str, ...]) -> str:
    known, key = list(find(path[:-1])["properties"]), str(path[-1])
    close = get_close_matches(key, known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}allowed here: {', '.join(known)}"
