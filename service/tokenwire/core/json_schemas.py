"""Validates JSON Schemas: each keyword that upstreams read has a value that it allows.

docs/adr/0031-json-schemas.md says why this is no validation against a meta-schema.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

MAX_CHECKED_OBJECTS: Final = 16_384
"""A schema with more objects is not validated, because that would delay other calls: the check of
one object takes a quarter of a microsecond, and one of an empty object two bytes."""

TypeName = Literal["array", "boolean", "integer", "null", "number", "object", "string"]
Length = Annotated[float, msgspec.Meta(ge=0)]


class _AnyArray(msgspec.Struct, array_like=True):
    """An array of anything. The decoder does not create its items."""


class _Schema(msgspec.Struct, gc=False):
    """A schema of any draft from 4 to 2020-12. Other keywords, and annotations, are ignored.

    Expressions are not compiled, and references are not resolved.
    """

    type: TypeName | list[TypeName] | UnsetType = UNSET
    ref: str | UnsetType = field(default=UNSET, name="$ref")
    defs: dict[str, _Schema | bool] | UnsetType = field(default=UNSET, name="$defs")
    definitions: dict[str, _Schema | bool] | UnsetType = UNSET
    enum: _AnyArray | UnsetType = UNSET
    all_of: list[_Schema | bool] | UnsetType = field(default=UNSET, name="allOf")
    any_of: list[_Schema | bool] | UnsetType = field(default=UNSET, name="anyOf")
    one_of: list[_Schema | bool] | UnsetType = field(default=UNSET, name="oneOf")
    not_: _Schema | bool | UnsetType = field(default=UNSET, name="not")
    if_: _Schema | bool | UnsetType = field(default=UNSET, name="if")
    then: _Schema | bool | UnsetType = UNSET
    else_: _Schema | bool | UnsetType = field(default=UNSET, name="else")
    properties: dict[str, _Schema | bool] | UnsetType = UNSET
    pattern_properties: dict[str, _Schema | bool] | UnsetType = field(
        default=UNSET, name="patternProperties"
    )
    additional: _Schema | bool | UnsetType = field(default=UNSET, name="additionalProperties")
    required: list[str] | UnsetType = UNSET
    items: _Schema | bool | list[_Schema | bool] | UnsetType = UNSET
    prefix_items: list[_Schema | bool] | UnsetType = field(default=UNSET, name="prefixItems")
    contains: _Schema | bool | UnsetType = UNSET
    min_items: Length | UnsetType = field(default=UNSET, name="minItems")
    max_items: Length | UnsetType = field(default=UNSET, name="maxItems")
    min_length: Length | UnsetType = field(default=UNSET, name="minLength")
    max_length: Length | UnsetType = field(default=UNSET, name="maxLength")
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    # A boolean in draft 4.
    exclusive_minimum: float | bool | UnsetType = field(default=UNSET, name="exclusiveMinimum")
    exclusive_maximum: float | bool | UnsetType = field(default=UNSET, name="exclusiveMaximum")
    multiple_of: float | UnsetType = field(default=UNSET, name="multipleOf")
    pattern: str | UnsetType = UNSET
    format: str | UnsetType = UNSET


_decode: Final = msgspec.json.Decoder(_Schema).decode


def problem_of(text: str) -> str:
    """Return what is wrong with a JSON Schema; empty if nothing is.

    The result has only names of keywords and types, and no other text of the schema.

    Args:
        text: A JSON object.
    """
    if text.count("{") > MAX_CHECKED_OBJECTS:
        return ""
    try:
        _decode(text)
    except msgspec.ValidationError as error:
        return _describe(str(error))
    except (ValueError, RecursionError):
        return "nested too deeply"
    return ""


def _describe(error: str) -> str:
    """Return the place and the expected type of msgspec's error, without the rejected value."""
    what, _, place = error.rpartition(" - at ")
    if not what.startswith("Expected"):
        return f"the value at {place} is not allowed"
    expected = what.removeprefix("Expected ").partition(",")[0]
    return f"the value at {place} must be {expected}"
