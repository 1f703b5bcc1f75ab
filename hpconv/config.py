"""An experiment's configuration: defaults filled in, and one clear line for what is wrong."""

import contextlib
import copy
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from hpconv.errors import UserError


def resolve(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the schema's defaults in place of what it leaves out.

    Raises:
        UserError: naming the key, what was found and what is allowed.
    """
    config = _from_text(config, schema)
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        raise UserError(_explain(error))
    return _with_defaults(config, schema)


def _from_text(value: Any, schema: dict[str, Any]) -> Any:
    """Snakemake hands over what stands inside ``--config key={...}`` as text."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {key: _from_text(v, parts.get(key, {})) for key, v in value.items()}
    if isinstance(value, list):
        return [_from_text(item, schema.get("items", {})) for item in value]
    if isinstance(value, str):
        allowed = schema.get("type", ())
        types = [allowed] if isinstance(allowed, str) else allowed
        if value == "null" and "null" in types:
            return None
        if value in ("true", "false") and "boolean" in types:
            return value == "true"
        for name, read in (("integer", int), ("number", float)):
            if name in types:
                with contextlib.suppress(ValueError):
                    return read(value)
    return value


def _with_defaults(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    resolved = {}
    for key, part in schema["properties"].items():
        entry = copy.deepcopy(value.get(key, part.get("default")))
        resolved[key] = _with_defaults(entry, part) if "properties" in part else entry
    return resolved


def _explain(error: Any) -> str:  # a ValidationError, whose stubs make every field optional
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        return _explain_unknown(key, error)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"config key '{missing}' is missing: write for example '{missing}: my-first'"
    return f"config key '{key}' is {error.instance!r}, it must be {_allowed(error)}"


def _explain_unknown(parent: str, error: Any) -> str:
    known = list(error.schema["properties"])
    unknown = next(name for name in error.instance if name not in known)
    key = f"{parent}.{unknown}" if parent else unknown
    close = get_close_matches(str(unknown), known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"config key '{key}' is unknown, {hint}allowed here: {', '.join(known)}"


def _allowed(error: Any) -> str:
    bound = error.validator_value
    if isinstance(bound, list):
        bound = ", ".join("null" if item is None else str(item) for item in bound)
    words = {
        "type": f"of type {bound}",
        "enum": f"one of: {bound}",
        "minimum": f"{bound} or more",
        "maximum": f"{bound} or less",
        "exclusiveMinimum": f"more than {bound}",
        "minItems": f"a list of {bound} or more entries",
        "maxItems": f"a list of at most {bound} entries",
        "pattern": f"of letters, digits, '_', '.' and '-' ({bound})",
    }
    return words[error.validator]
