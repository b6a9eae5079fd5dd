"""Decodes the JSON of a request's body, within limits.

The body goes upstream as it was decoded, so that no upstream can read it in another way: of several
members with one name the last one counts.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tokenwire.core.errors import InvalidParameter, MalformedRequest
from tokenwire.core.large_work import next_step

FIELD: Final = "http_body.data"
MAX_DEPTH: Final = 64
VALUES_PER_TURN: Final = 16
OTHER_VALUES: Final = 65_536
"""Allowed in addition to the values of turns, for tools and schemas."""
LARGE_BYTES: Final = 1 << 16
OPENING: Final = (b"[", b"{")
OUTSIDE: Final = b'",[{'
"""The characters that are kept to count values."""
OTHERS: Final = bytes(each for each in range(256) if each not in OUTSIDE)


async def decode_body(data: bytes, max_turns: int) -> dict[str, Any]:
    """Return the decoded body.

    Takes two steps of large work if it is large.

    Args:
        data: The body.
        max_turns: The most turns of a history, from which follows how many values there may be.

    Raises:
        MalformedRequest: The body is not JSON in UTF-8.
        InvalidParameter: It is not an object, has too many values, or is nested too deep.
    """
    if len(data) > LARGE_BYTES:
        await next_step()
    check_count(data, VALUES_PER_TURN * max_turns + OTHER_VALUES)
    if len(data) > LARGE_BYTES:
        await next_step()
    try:
        body = msgspec.json.decode(data)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise MalformedRequest from None
    if not isinstance(body, dict):
        raise InvalidParameter(FIELD, "must be a JSON object")
    if sum(map(data.count, OPENING)) > MAX_DEPTH:
        check_depth(body)
    return body


def check_count(data: bytes, limit: int) -> None:
    """Check the number of values before objects are made of them.

    Raises:
        InvalidParameter: There are more than `limit`.
    """
    if sum(data.count(each) for each in (b",", *OPENING)) <= limit:
        return
    # What is in strings does not count. First those characters that would be taken for the end of
    # a string, then all that say nothing about the structure.
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept = data.translate(None, OTHERS)
    # Splitting makes an object for each string.
    if kept.count(b'"') <= 2 * limit:
        outside = b"".join(kept.split(b'"')[::2])
        if len(outside) <= limit:
            return
    raise InvalidParameter(FIELD, f"must have at most {limit} values")


def check_depth(body: dict[str, Any]) -> None:
    """Check that arrays and objects are not nested deeper than MAX_DEPTH.

    Raises:
        InvalidParameter: They are.
    """
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [each for value in level for each in _inner(value)]
        if not level:
            return
    raise _too_deep()


def _inner(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    values = value.values() if isinstance(value, dict) else value
    return (each for each in values if isinstance(each, dict | list))


def _too_deep() -> InvalidParameter:
    return InvalidParameter(FIELD, f"must not be nested deeper than {MAX_DEPTH} levels")
