"""The configuration as a JSON schema, for error messages and the reference page."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from hpconv.config.rules import RISING
from hpconv.config.settings import Config

NAMES = {"integer": "an integer", "number": "a number", "string": "text", "path": "a path"}
NAMES |= {"boolean": "true or false"}
BOUNDS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters",
    "minItems": "{} or more entries",
    "maxItems": "at most {} entries",
    RISING: "rising",
    "pattern": "of letters, digits, '_', '.' and '-', not beginning with one of these three",
}


def find(path: Sequence[int | str] = ()) -> dict[str, Any]:
    """The schema of a key, such as ``("search", "workers")``; of the whole without a path."""
    whole = TypeAdapter(Config).json_schema()
    part: dict[str, Any] = whole
    for name in path:
        part = part.get("anyOf", [part])[0]  # of a value or null, the value
        part = part["items"] if isinstance(name, int) else part["properties"][name]
        if "$ref" in part:
            part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def leaves(name: str) -> dict[str, dict[str, Any]]:
    """The schemas of all keys of a section, sub-sections as ``section.key``."""
    found: dict[str, dict[str, Any]] = {}
    for key in find([name]).get("properties", {}):
        part = find([name, key])
        inner = {f"{key}.{each}": find([name, key, each]) for each in part.get("properties", ())}
        found |= inner or {key: part}
    return found or {name: find([name])}


def allowed(part: dict[str, Any]) -> str:
    """The values that a schema allows, in words."""
    if "anyOf" in part:  # a value or null
        return f"{allowed(part['anyOf'][0])} or null"
    if "enum" in part:
        return "one of: " + ", ".join(part["enum"])
    if "properties" in part:
        return "a section with the keys " + ", ".join(part["properties"])
    bounds = ", ".join(text.format(part[key]) for key, text in BOUNDS.items() if key in part)
    limits = f" ({bounds})" if bounds else ""
    if part["type"] == "array":
        return f"a list{limits}, each entry {allowed(part['items'])}"
    return f"{NAMES[part.get('format', part['type'])]}{limits}"
