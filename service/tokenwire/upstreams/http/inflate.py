"""Decompresses responses a little at a time.

Requests ask for no compression; some proxies compress all the same.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tokenwire.core.errors import UpstreamProtocolError

PART_BYTES: Final = 1 << 16
"""The most that is decompressed at once: what a reader refuses never grows."""

PIECE_BYTES: Final = 1 << 12
"""The most that is handed to zlib at once, which copies what a step leaves over."""

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


def inflater(encoding: str) -> Callable[[bytes], Iterator[bytes]] | None:
    """Return a function that turns pieces of a body into pieces of its content.

    None is returned for a body that is its content.

    Raises:
        UpstreamProtocolError: The encoding is unknown, or, from the function,
            the body is not encoded so.
    """
    match encoding.strip().lower():
        case "identity" | "":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Inflater().parts
        case _:
            raise UpstreamProtocolError


class _Inflater:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP_OR_ZLIB)

    def parts(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PIECE_BYTES):
            yield from self._inflate(data[at : at + PIECE_BYTES])

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        part = b""
        # A full part may have left some of its text inside zlib, with nothing left to feed.
        while data or len(part) == PART_BYTES:
            try:
                part = self._stream.decompress(data, PART_BYTES)
            except zlib.error:
                raise UpstreamProtocolError from None
            yield part
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                # A body may be several streams, one after the other (RFC 1952, 2.2).
                data = self._stream.unused_data
                self._stream = zlib.decompressobj(GZIP_OR_ZLIB)
