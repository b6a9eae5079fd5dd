"""Validates texts of a request that must be JSON objects, without building their content."""

from typing import Final

import msgspec

from tokenwire.core.errors import InvalidParameter

MAX_SCHEMA_BYTES: Final = 1 << 19
"""The most bytes of one JSON Schema, and of those of all tools together."""
OBJECT: Final = b'"object"'


class _JsonObject(msgspec.Struct):
    """A JSON object. The decoder validates all fields and creates only this one."""

    type: msgspec.Raw = msgspec.Raw(OBJECT)


_decode: Final = msgspec.json.Decoder(_JsonObject).decode


def check_object(field: str, text: str) -> None:
    """Raise InvalidParameter if `text` is not a JSON object."""
    _object(field, text)


def check_schema(field: str, text: str) -> None:
    """Raise InvalidParameter if `text` is not a JSON Schema of an object."""
    if bytes(_object(field, text).type) != OBJECT:
        raise InvalidParameter(field, 'must be a JSON Schema of the type "object"')


def _object(field: str, text: str) -> _JsonObject:
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        raise InvalidParameter(field, "must be a JSON object") from None
