"""Cuts large values out of JSON that arrives in parts.

A list of a million numbers blocks the event loop for longer than other calls may wait if it is
decoded at once. Cut out, each value can be decoded on its own or dropped, and the rest is small.
"""

import re
import secrets
from collections.abc import Callable
from typing import Final

from tokenwire.core.errors import UpstreamResponseTooLarge, UpstreamTruncated

MAX_SPACES: Final = 16
"""The most spaces before and after the colon behind a key."""
CLOSING: Final = {b"[": b"]", b'"': b'"'}
"""The last byte of a value by its first."""


class ValueCutter:
    """Replaces each value of one key by a placeholder.

    A value is a list of numbers, or a string without escaped quotes. Within a string, JSON
    escapes quotes, so the key cannot be found there.

    Args:
        key: The key, at any depth.
        on_value: Called with each value, delimiters included; None drops the values.
        max_value_bytes: The size limit of a value that is not dropped.
        max_rest_bytes: The size limit of everything else.

    Attributes:
        count: The number of values so far.
    """

    def __init__(
        self,
        key: str,
        on_value: Callable[[bytes], None] | None,
        *,
        max_value_bytes: int,
        max_rest_bytes: int,
    ) -> None:
        self.count = 0
        quoted, spaces = re.escape(f'"{key}"'.encode()), rb"\s{0,%d}" % MAX_SPACES
        # So that the upstream cannot send a placeholder itself.
        self._mark = secrets.token_hex(8)
        self._opening = re.compile(quoted + spaces + b":" + spaces + rb'([\["])')
        self._longest_opening = len(key) + 2 * MAX_SPACES + len('"":[')
        self._on_value = on_value
        self._max_value_bytes = max_value_bytes
        self._max_rest_bytes = max_rest_bytes
        self._rest = bytearray()
        self._unsearched = 0
        self._value = bytearray()
        self._closing = b""

    def placeholder(self, number: int) -> str:
        """Return the string in place of a value, by its number from 0 in the order of arrival."""
        return f"{self._mark}-{number}"

    def feed(self, data: bytes) -> None:
        """Take the next part of the JSON.

        Raises:
            UpstreamResponseTooLarge: A value or the rest exceeds its limit.
        """
        while data:
            data = self._feed_value(data) if self._closing else self._feed_rest(data)

    def end(self) -> bytes:
        """Return the rest after the last part.

        Raises:
            UpstreamTruncated: The JSON ends within a value.
        """
        if self._closing:
            raise UpstreamTruncated
        return bytes(self._rest)

    def _feed_rest(self, data: bytes) -> bytes:
        """Take bytes up to the beginning of a value; return the bytes after it."""
        rest = self._rest
        # A part may end within the key. A placeholder looks like another value of its key.
        start = max(self._unsearched, len(rest) - self._longest_opening)
        rest += data
        found = self._opening.search(rest, start)
        after = b""
        if found:
            first = found[1]
            self._closing = CLOSING[bytes(first)]
            self._value += first
            after = bytes(rest[found.end() :])
            del rest[found.end() - 1 :]
            rest += b'"%b"' % self.placeholder(self.count).encode()
            self._unsearched = len(rest)
            self.count += 1
        if len(rest) > self._max_rest_bytes:
            raise UpstreamResponseTooLarge
        return after

    def _feed_value(self, data: bytes) -> bytes:
        """Take bytes up to the end of the value; return the bytes after it."""
        end = data.find(self._closing)
        piece = data if end < 0 else data[: end + 1]
        if self._on_value is not None:
            self._value += piece
            if len(self._value) > self._max_value_bytes:
                raise UpstreamResponseTooLarge
        if end < 0:
            return b""
        if self._on_value is not None:
            self._on_value(bytes(self._value))
        self._value.clear()
        self._closing = b""
        return data[end + 1 :]
