"""Owns as much of JSON Schema 2020-12 as the schema of a job line uses, to check lines by; any other keyword fails."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "then"}
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minLength": ("string", lambda value, bound: len(value) >= bound),
    "maxLength": ("string", lambda value, bound: len(value) <= bound),
    "pattern": ("string", lambda value, bound: re.search(bound, value) is not None),
    "minimum": ("number", lambda value, bound: value >= bound),
    "maximum": ("number", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("number", lambda value, bound: value > bound),
    "required": ("object", lambda value, bound: set(bound) <= set(value)),
}


def wrong(value: Any, schema: Schema, root: Schema) -> list[str]:
    """The keywords of ``schema`` that the value breaks."""
    return [keyword for keyword in schema if not all(_holds(keyword, value, schema, root))]


def _holds(keyword: str, value: Any, schema: Schema, root: Schema) -> Iterator[bool]:
    said = schema[keyword]
    match keyword:
        case "$ref":
            yield not wrong(value, root["$defs"][said.removeprefix("#/$defs/")], root)
        case "allOf":
            yield from (not wrong(value, one, root) for one in said)
        case "anyOf":
            yield any(not wrong(value, one, root) for one in said)
        case "if":
            yield bool(wrong(value, said, root)) or not wrong(value, schema["then"], root)
        case "type":
            yield any(_TYPES[name](value) for name in ([said] if isinstance(said, str) else said))
        case "enum" | "const":
            yield value in said if keyword == "enum" else value == said
        case "properties" | "additionalProperties" | "items":
            yield from (
                not wrong(entry, one, root) if isinstance(one, dict) else one
                for entry, one in _parts(keyword, value, schema)
            )
        case _ if keyword in _BOUNDS:
            kind, holds = _BOUNDS[keyword]
            yield not _TYPES[kind](value) or holds(value, said)
        case _:
            assert keyword in _SAYS_NOTHING, keyword


def _parts(keyword: str, value: Any, schema: Schema) -> Iterator[tuple[Any, Any]]:
    """The parts of the value, each with what ``keyword`` says of it: a schema, or whether it may be there."""
    own = schema.get("properties", {})
    match keyword, value:
        case "properties", dict():
            yield from ((value[name], one) for name, one in own.items() if name in value)
        case "additionalProperties", dict():
            yield from ((entry, schema[keyword]) for name, entry in value.items() if name not in own)
        case "items", list():
            yield from ((entry, schema[keyword]) for entry in value)
        case _:
            return
