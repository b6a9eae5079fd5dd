"""Combines two JSON schemas that an instance must both fit."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tokenwire_demo.schema.errors import NoInstanceError

Schema = Mapping[str, Any]

_LARGER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_SMALLER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_ANNOTATIONS: Final = (
    *("title", "description", "default", "example", "examples", "deprecated", "$comment"),
    *("readOnly", "writeOnly", "$schema", "$id", "$defs", "definitions"),
)


def merged(one: Schema, other: Schema, path: str) -> Schema:
    """Return a schema whose instances fit both schemas.

    Raises:
        NoInstanceError: The schemas contradict each other, or cannot be combined.
    """
    result = {**other, **one}
    for keyword in one.keys() & other.keys():
        if not same(one[keyword], other[keyword]):
            result[keyword] = _combined(keyword, one[keyword], other[keyword], path)
    if isinstance(result.get("properties"), dict):
        result["properties"] = {
            name: _restricted(name, each, (one, other))
            for name, each in result["properties"].items()
            if not any(_is_excluded(name, side) for side in (one, other))
        }
    return result


def _is_excluded(name: str, side: Schema) -> bool:
    """Return whether a schema forbids a property."""
    return side.get("additionalProperties") is False and name not in side.get("properties", ())


def _restricted(name: str, schema: Any, sides: tuple[Schema, Schema]) -> Any:
    """Return the schema of a property with what each side asks of those that it does not name."""
    for side in sides:
        others = side.get("additionalProperties", True)
        if others is not True and name not in side.get("properties", ()):
            schema = _both(schema, others)
    return schema


def key(value: Any) -> str:
    """Return a text that is the same for equal JSON values; `true` is not 1."""
    return json.dumps(value, sort_keys=True)


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _combined(keyword: str, one: Any, other: Any, path: str) -> Any:
    if keyword in _ANNOTATIONS:
        return one
    combine = _RULES.get(keyword)
    try:
        value = combine(one, other) if combine else None
    except TypeError:
        value = None
    if value is None:
        raise NoInstanceError(path, f"{keyword} has two values that cannot be combined")
    return value


def _both(one: Any, other: Any) -> Any:
    return {"allOf": [one, other]}


def _properties(one: Any, other: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return None
    shared = {name: _both(one[name], other[name]) for name in one.keys() & other.keys()}
    return {name: shared.get(name, each) for name, each in {**other, **one}.items()}


def _union(one: Any, other: Any) -> Any:
    return list(dict.fromkeys([*one, *other]))


def _common(one: Any, other: Any) -> Any:
    keys = {key(value) for value in other}
    return [value for value in one if key(value) in keys] or None


def _types(one: Any, other: Any) -> Any:
    ones, others = ({each} if isinstance(each, str) else set(each) for each in (one, other))
    both = ones & others
    if {"integer", "number"} <= ones | others:
        both.add("integer")
    return sorted(both) or None


_RULES: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    **dict.fromkeys(_LARGER, max),
    **dict.fromkeys(_SMALLER, min),
    **dict.fromkeys(("items", "additionalProperties"), _both),
    "properties": _properties,
    "required": _union,
    "enum": _common,
    "type": _types,
    "uniqueItems": lambda one, other: one or other,
}
