"""Validates texts that must be JSON objects, without building their content."""

from typing import Final

import msgspec


class EncodedObject(msgspec.Struct):
    """A JSON object. The decoder validates all fields and creates only this one.

    Attributes:
        type: The encoded value of the field `type`; empty if the object has none.
    """

    type: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(EncodedObject).decode


def decode_object(text: str) -> EncodedObject | None:
    """Return the object in `text`, or None if it is not a JSON object."""
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return None
