"""JSON of large values in pieces, between which other calls go on.

A C encoder keeps the event loop for as long as it encodes: 50 ms for 4 MiB of
control characters, each of which becomes six bytes.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any
"""A value of dictionaries with text keys, lists, texts, numbers, booleans and None."""

PIECE: Final = 1 << 16
"""About how much is encoded at once: characters of texts, and `ITEM` for each value."""
ITEM: Final = 16

encode = msgspec.json.encode


def is_large(value: Json) -> bool:
    """Tell whether encoding `value` at once would keep other calls waiting."""
    weight = 0
    found = [value]
    # The list grows meanwhile. All requests come here, and few are large: no call for nothing.
    for each in found:
        weight += ITEM
        kind = type(each)
        if kind is str:
            weight += len(each)
        elif kind is dict:
            found += each.values()
        elif kind is list:
            found += each
        if weight > PIECE:
            return True
    return False


def pieces(value: Json) -> Iterator[bytes]:
    """Yield the JSON of `value` in pieces of about the same cost."""
    parts: list[bytes] = []
    size = 0
    for part in _value(value):
        parts.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)


def _weight(value: Json) -> int:
    if isinstance(value, str):
        return len(value) + ITEM
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + ITEM
    if isinstance(value, list):
        return sum(map(_weight, value)) + ITEM
    return ITEM


def _value(value: Json) -> Iterator[bytes]:
    if isinstance(value, str):
        yield from _text(value)
    elif isinstance(value, dict) and value:
        yield from _object(value)
    elif isinstance(value, list) and value:
        yield from _array(value)
    else:
        yield encode(value)


def _text(text: str) -> Iterator[bytes]:
    yield b'"'
    for start in range(0, len(text), PIECE):
        yield encode(text[start : start + PIECE])[1:-1]
    yield b'"'


def _object(fields: dict[str, Json]) -> Iterator[bytes]:
    before = b"{"
    for name, value in fields.items():
        yield before + encode(name) + b":"
        yield from _value(value)
        before = b","
    yield b"}"


def _array(items: list[Json]) -> Iterator[bytes]:
    """Encode as many items at once as make a piece: each for itself would take longer."""
    before = b"["
    batch: list[Json] = []
    weight = 0
    for item in items:
        more = _weight(item)
        if batch and weight + more > PIECE:
            yield before + encode(batch)[1:-1]
            before, batch, weight = b",", [], 0
        if more > PIECE:
            yield before
            yield from _value(item)
            before = b","
        else:
            batch.append(item)
            weight += more
    if batch:
        yield before + encode(batch)[1:-1]
    yield b"]"
