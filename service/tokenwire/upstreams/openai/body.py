"""The body of a request to the upstream."""

from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from tokenwire.core.json_pieces import encode, is_large, pieces
from tokenwire.core.large_work import next_step


async def request_body(payload: dict[str, Any]) -> bytes | Payload:
    """Return the JSON of `payload`; for a large one, a Payload that encodes it while it is sent."""
    if not is_large(payload):
        return encode(payload)
    await next_step()
    size = 0
    for piece in pieces(payload):
        size += len(piece)
        await next_step()
    return _LargeBody(payload, size)


class _LargeBody(Payload):
    """A body of known size that is never in memory as a whole.

    The JSON can be six times as large as the caller's request, and would stay in memory until the
    upstream has read its end.
    """

    _autoclose = True

    def __init__(self, payload: dict[str, Any], size: int) -> None:
        super().__init__(payload, content_type="application/json")
        self._size = size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(pieces(self._value)).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for piece in pieces(self._value):
            await writer.write(piece)
            await next_step()
