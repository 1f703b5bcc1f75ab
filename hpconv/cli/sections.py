"""Sections of a configuration, and other JSON, as options give them."""

import json
from pathlib import Path
from typing import Any

import typer

from hpconv.errors import UserError

EXAMPLE = 'write for example {"seed": 1}'


def json_object(text: str) -> dict[str, Any]:
    """The value of an option that takes a section of a configuration as JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"it is no JSON ({error}): {EXAMPLE}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"'{text}' is JSON, but has no keys: {EXAMPLE}")
    return value


def read_json(path: Path) -> Any:
    """The content of a JSON file that a person has written.

    Raises:
        UserError: when it is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no JSON ({error}): {EXAMPLE}") from None


def settings(name: str, values: dict[str, Any]) -> Any:
    """A section of the configuration from its JSON.

    Raises:
        UserError: when a key or a value is invalid.
    """
    from hpconv.config import resolve

    return getattr(resolve({"experiment": "any", name: values}), name)
