"""Encodes large values as JSON in pieces, so that the event loop can run other calls in between.

The C encoder blocks the event loop while it encodes: 50 ms for 4 MiB of control characters,
each of which becomes six bytes.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any
"""A dictionary with string keys, a list, a string, a number, a boolean, None, encoded JSON, or a
Base64."""

PIECE_WEIGHT: Final = 1 << 16
"""The approximate weight of one piece. A string weighs its length in characters, and every value
weighs ITEM_WEIGHT on top."""
ITEM_WEIGHT: Final = 16

BASE64_PIECE_BYTES: Final = 3 << 14
"""A multiple of 3, so that the pieces have no padding, of PIECE_WEIGHT characters."""


class Base64:
    """Bytes that become a string in base64, which exists in pieces only if they are many.

    Args:
        data: The bytes.
        prefix: Text before the base64, which must need no escape in JSON.
    """

    __slots__ = ("data", "prefix")

    def __init__(self, data: bytes, prefix: str = "") -> None:
        self.data = data
        self.prefix = prefix

    def __len__(self) -> int:
        """Return the length of the string."""
        return len(self.prefix) + (len(self.data) + 2) // 3 * 4

    def __str__(self) -> str:
        return self.prefix + b64encode(self.data).decode()


def _encode_other(value: object) -> str:
    if isinstance(value, Base64):
        return str(value)
    raise NotImplementedError


encode: Final = msgspec.json.Encoder(enc_hook=_encode_other).encode
"""Encodes a value in one piece."""


def is_large(value: Json) -> bool:
    """Report whether encoding `value` in one piece would delay other calls."""
    weight = 0
    # The loop appends to the list that it iterates over. Every request passes through here, so
    # the walk makes no function call per value.
    found = [value]
    for each in found:
        weight += ITEM_WEIGHT
        kind = type(each)
        if kind is str or kind is msgspec.Raw or kind is Base64:
            weight += len(each)
        elif kind is dict:
            found += each.values()
        elif kind is list:
            found += each
        if weight > PIECE_WEIGHT:
            return True
    return False


def pieces(value: Json) -> Iterator[bytes]:
    """Yield the JSON of `value` in pieces that take about the same time to encode."""
    parts: list[bytes] = []
    size = 0
    for part in _encode_value(value):
        parts.append(part)
        size += len(part)
        if size >= PIECE_WEIGHT:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)


def _weight(value: Json) -> int:
    if isinstance(value, str | msgspec.Raw | Base64):
        return len(value) + ITEM_WEIGHT
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + ITEM_WEIGHT
    if isinstance(value, list):
        return sum(map(_weight, value)) + ITEM_WEIGHT
    return ITEM_WEIGHT


def _encode_value(value: Json) -> Iterator[bytes]:
    if isinstance(value, str):
        yield from _encode_text(value)
    elif isinstance(value, Base64):
        yield from _encode_base64(value)
    elif isinstance(value, dict) and value:
        yield from _encode_object(value)
    elif isinstance(value, list) and value:
        yield from _encode_array(value)
    else:
        yield encode(value)


def _encode_text(text: str) -> Iterator[bytes]:
    yield b'"'
    for start in range(0, len(text), PIECE_WEIGHT):
        yield encode(text[start : start + PIECE_WEIGHT])[1:-1]
    yield b'"'


def _encode_base64(value: Base64) -> Iterator[bytes]:
    yield b'"' + value.prefix.encode()
    for start in range(0, len(value.data), BASE64_PIECE_BYTES):
        yield b64encode(value.data[start : start + BASE64_PIECE_BYTES])
    yield b'"'


def _encode_object(fields: dict[str, Json]) -> Iterator[bytes]:
    separator = b"{"
    for name, value in fields.items():
        yield separator + encode(name) + b":"
        yield from _encode_value(value)
        separator = b","
    yield b"}"


def _encode_array(items: list[Json]) -> Iterator[bytes]:
    """Encode items in batches of up to one piece, which is faster than one item at a time."""
    separator = b"["
    batch: list[Json] = []
    weight = 0
    for item in items:
        item_weight = _weight(item)
        if batch and weight + item_weight > PIECE_WEIGHT:
            yield separator + encode(batch)[1:-1]
            separator, batch, weight = b",", [], 0
        if item_weight > PIECE_WEIGHT:
            yield separator
            yield from _encode_value(item)
            separator = b","
        else:
            batch.append(item)
            weight += item_weight
    if batch:
        yield separator + encode(batch)[1:-1]
    yield b"]"
