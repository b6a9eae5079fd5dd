"""Generates large bodies piece by piece, so that they are never in memory as a whole."""

import zlib
from collections.abc import Iterator

# Small, so that the disconnection of a client is noticed between two pieces.
_PIECE = b"x" * 65_536


def pieces(size: int) -> Iterator[bytes]:
    """Yield `size` bytes of `x`."""
    while size > 0:
        yield _PIECE[:size]
        size -= len(_PIECE)


def gzip_pieces(start: bytes, size: int) -> Iterator[bytes]:
    """Yield a gzip stream that decompresses to `start` followed by `x`, `size` bytes in total."""
    gzip = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    yield gzip.compress(start[:size])
    for piece in pieces(size - len(start)):
        yield gzip.compress(piece)
    yield gzip.flush()
