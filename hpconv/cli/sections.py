"""Sections of a configuration, and other JSON, as options give them."""

import dataclasses
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import typer

from hpconv.errors import UserError

EXAMPLE = 'write for example {"seed": 1}'

Settings = TypeVar("Settings")


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


def settings(kind: type[Settings], values: dict[str, Any], option: str) -> Settings:
    """A section of a configuration as the dataclass that holds it.

    Raises:
        UserError: when it has other keys.
    """
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean '{close[0]}'" if close else f"write some of {', '.join(known)}"
            raise UserError(f"{option} has the unknown key '{key}': {hint}")
    for key, field in known.items():
        absent = field.default is field.default_factory is dataclasses.MISSING
        if absent and key not in values:
            raise UserError(f"{option} lacks '{key}': write all of {', '.join(known)}")
    return kind(**values)
