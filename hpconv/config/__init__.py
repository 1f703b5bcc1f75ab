"""The configuration of an experiment: its description, and how it is read."""

from hpconv.config.read import load, resolve, to_json
from hpconv.config.settings import (
    Budget,
    Config,
    DatabaseSettings,
    DataSettings,
    EnsembleSettings,
    EvaluationSettings,
    ModelSettings,
    SearchSection,
    SearchSettings,
)

__all__ = [
    "Budget",
    "Config",
    "DataSettings",
    "DatabaseSettings",
    "EnsembleSettings",
    "EvaluationSettings",
    "ModelSettings",
    "SearchSection",
    "SearchSettings",
    "load",
    "resolve",
    "to_json",
]
