"""A lot of bytes, made piece by piece so that they never stand in memory together."""

import zlib
from collections.abc import Iterator

# Small enough that a client that closes is noticed between two pieces.
_PIECE = b"x" * 65_536


def pieces(size: int) -> Iterator[bytes]:
    """Yield so many bytes of `x`."""
    while size > 0:
        yield _PIECE[:size]
        size -= len(_PIECE)


def gzip_pieces(start: bytes, size: int) -> Iterator[bytes]:
    """Yield a gzip stream that unpacks to the start and then bytes of `x`, `size` in all."""
    gzip = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    yield gzip.compress(start[:size])
    for piece in pieces(size - len(start)):
        yield gzip.compress(piece)
    yield gzip.flush()
