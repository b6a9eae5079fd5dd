"""Decompresses responses in parts of bounded size.

Requests ask for `identity`, but some proxies compress regardless.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tokenwire.core.errors import UpstreamProtocolError

PART_BYTES: Final = 1 << 16
"""The most bytes of output per step, so that a reader can stop before a compression bomb grows."""

PIECE_BYTES: Final = 1 << 12
"""The most bytes of input per step. zlib copies the input that a step does not consume."""

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


def inflater(encoding: str) -> Callable[[bytes], Iterator[bytes]] | None:
    """Return a function that decompresses the parts of a body, or None for an uncompressed body.

    Raises:
        UpstreamProtocolError: The encoding is not supported. The returned function raises it if
            the body is not valid in the encoding.
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
        # After a full part, zlib may hold more output although no input is left.
        while data or len(part) == PART_BYTES:
            try:
                part = self._stream.decompress(data, PART_BYTES)
            except zlib.error:
                raise UpstreamProtocolError from None
            yield part
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                # A body may consist of several streams (RFC 1952, 2.2).
                data = self._stream.unused_data
                self._stream = zlib.decompressobj(GZIP_OR_ZLIB)
