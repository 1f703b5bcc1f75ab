"""The configuration of an experiment: its description, and how it is read."""

from hpconv.config.read import (
    check_before_run,
    check_repeated_keys,
    load,
    model_of,
    read_yaml,
    resolve,
    search_record,
    to_json,
    with_model_of,
)
from hpconv.config.rules import Variant
from hpconv.config.search_settings import (
    UNLIMITED,
    Budget,
    EnsembleSettings,
    SearchSection,
    SearchSettings,
)
from hpconv.config.settings import (
    RESULT_NEUTRAL_SETTINGS,
    Config,
    DatabaseSettings,
    DataSettings,
    EvaluationSettings,
    ModelSettings,
)

__all__ = [
    "Budget",
    "Config",
    "DataSettings",
    "DatabaseSettings",
    "EnsembleSettings",
    "EvaluationSettings",
    "ModelSettings",
    "RESULT_NEUTRAL_SETTINGS",
    "SearchSection",
    "SearchSettings",
    "UNLIMITED",
    "Variant",
    "check_before_run",
    "check_repeated_keys",
    "load",
    "model_of",
    "read_yaml",
    "resolve",
    "search_record",
    "to_json",
    "with_model_of",
]
