"""Reads the body of a response that is not a stream of events."""

import asyncio
from collections.abc import Iterator
from typing import Final, Self

import aiohttp

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts
from tokenwire.upstreams.http.causes import stream_broken
from tokenwire.upstreams.http.connections import UpstreamConnection
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Response

READ_BYTES: Final = 1 << 16
MAX_BODY_BYTES: Final = 1 << 26
"""The largest size of a decompressed body. A count of the tokens of 4 MiB can take half of it."""


class ResponseBody:
    """Reads a body in parts.

    Leaving the context ends the request without waiting. The connection is reused if the
    response has ended.

    Args:
        response: The response.
        attempts: Records the cause of a broken connection.
    """

    def __init__(self, response: Response, attempts: Attempts) -> None:
        self._response = response
        connection = response.connection
        protocol = connection.protocol if connection else None
        self._connection = protocol if isinstance(protocol, UpstreamConnection) else None
        self._attempts = attempts
        self._inflate = inflater(response.headers.get("content-encoding", "identity"))
        self._parts: Iterator[bytes] = iter(())
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._response.return_connection()
        self._response.close()

    async def read(self) -> bytes:
        """Return the next part of the body; empty at its end.

        Raises:
            UpstreamStreamBroken: The connection breaks.
            UpstreamProtocolError: The body is not valid in its encoding.
            UpstreamResponseTooLarge: The body is larger than MAX_BODY_BYTES.
        """
        while not (part := next(self._parts, b"")):
            try:
                data = await self._response.content.read(READ_BYTES)
            except aiohttp.ClientError as error:
                # Breaks a reference cycle: the body refers to the error, and the error to this
                # frame.
                error.__traceback__ = None
                raise stream_broken(self._connection, self._attempts) from None
            if not data:
                if self._connection is not None and self._connection.was_cut:
                    raise stream_broken(self._connection, self._attempts)
                return b""
            self._parts = self._inflate(data) if self._inflate else iter((data,))
        self._size += len(part)
        if self._size > MAX_BODY_BYTES:
            raise errors.UpstreamResponseTooLarge
        # Data that is there already, or has a high compression ratio, must not block the loop.
        await asyncio.sleep(0)
        return part
