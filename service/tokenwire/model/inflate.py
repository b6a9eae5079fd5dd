"""Decompresses responses a little at a time.

Requests ask for no compression; some proxies compress all the same.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tokenwire.errors import UpstreamProtocolError

PART_BYTES: Final = 1 << 16
"""The most that is decompressed at once: what a reader refuses never grows."""

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


def inflater(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """Return a function that turns pieces of a body into pieces of its content.

    Raises:
        UpstreamProtocolError: The encoding is unknown, or, from the function,
            the body is not encoded so.
    """
    match encoding.strip().lower():
        case "identity" | "":
            return _same
        case "gzip" | "deflate":
            return _Inflater().parts
        case _:
            raise UpstreamProtocolError


def _same(data: bytes) -> Iterator[bytes]:
    yield data


class _Inflater:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP_OR_ZLIB)

    def parts(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                yield self._stream.decompress(data, PART_BYTES)
            except zlib.error:
                raise UpstreamProtocolError from None
            data = self._stream.unconsumed_tail
