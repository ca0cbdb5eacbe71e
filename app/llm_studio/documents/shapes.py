"""A JSON schema in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PLAIN = {"string": "text", "boolean": "true or false", "null": "null", "object": "an object"}


def in_words(schema: dict[str, Any], named: Callable[[str], str] = str) -> str:
    """What a value may be; `named` writes the name of a shape that is described elsewhere."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return ", ".join(
            f'"{each}"' if isinstance(each, str) else str(each) for each in schema["enum"]
        )
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(in_words(each, named) for each in schema[key])
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(in_words(each, named) for each in schema["prefixItems"]) + "]"
        return f"list of {_grouped(schema.get('items', {}), named)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"table of {_grouped(schema['additionalProperties'], named)}"
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _range(schema)
    return _PLAIN.get(str(kind), "anything")


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that may be left out, as if it were there."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return schema if not choices else choices[0] if len(choices) == 1 else {"anyOf": choices}


def _grouped(schema: dict[str, Any], named: Callable[[str], str]) -> str:
    words = in_words(schema, named)
    return f"({words})" if " or " in words and "anyOf" in schema else words


def _range(schema: dict[str, Any]) -> str:
    least, most = (_told(schema.get(key)) for key in ("minimum", "maximum"))
    if least and most:
        return f", {least} to {most}"
    if least or most:
        return f" ≥ {least}" if least else f" ≤ {most}"
    return f" > {schema['exclusiveMinimum']:,}" if "exclusiveMinimum" in schema else ""


def _told(bound: float | None) -> str:
    """A bound; those that only keep nonsense out are not worth the room."""
    return "" if bound is None or abs(bound) >= 1_000_000 else f"{bound:,.10g}"
