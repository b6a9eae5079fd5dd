"""Validates texts of a request that must be JSON objects."""

from typing import Final

from tokenwire.core.errors import InvalidParameter
from tokenwire.core.json_objects import EncodedObject, decode_object
from tokenwire.core.json_schemas import problem_of

MAX_SCHEMA_BYTES: Final = 1 << 19
"""The most bytes of one JSON Schema, and of those of all tools together."""
OBJECT_TYPES: Final = (b"", b'"object"')


def check_object(field: str, text: str) -> EncodedObject:
    """Return the object in `text`; raise InvalidParameter if it is not a JSON object."""
    found = decode_object(text)
    if found is None:
        raise InvalidParameter(field, "must be a JSON object")
    return found


def check_schema(field: str, text: str) -> None:
    """Raise InvalidParameter if `text` is not a JSON Schema of an object."""
    if bytes(check_object(field, text).type) not in OBJECT_TYPES:
        raise InvalidParameter(field, 'must be a JSON Schema of the type "object"')
    if problem := problem_of(text):
        raise InvalidParameter(field, f"must be a JSON Schema: {problem}")
