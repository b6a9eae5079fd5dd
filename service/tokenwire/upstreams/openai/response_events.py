"""The events of one response, as they are read."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self

import aiohttp

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http.causes import cause_of_end
from tokenwire.upstreams.http.connections import UpstreamConnection
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.http.sse import Event, EventReader
from tokenwire.upstreams.openai.rejection import is_error

DONE: Final = b"[DONE]"
"""The data of the event that ends a stream."""
END_OF_BODY_SECONDS: Final = 0.05
MAX_EVENT_BYTES: Final = 1 << 20
READ_BYTES: Final = 1 << 14
"""How much is read at once. It bounds the text of one Answer, but for a large event, and what
an answer holds while its caller takes nothing."""


class ResponseEvents:
    """Reads the events of a response.

    Leaving it as a context ends the request at once, without waiting for anything. Its
    connection is used again if the response has come to its end.

    Args:
        response: The response.
        attempts: Gets the cause of a broken connection.

    Attributes:
        read_at: When bytes were read last, a reading of `time.monotonic`.
    """

    def __init__(self, response: Response, attempts: Attempts) -> None:
        self.read_at = 0.0
        self._response = response
        self._body = response.content
        self._attempts = attempts
        self._reader = EventReader(MAX_EVENT_BYTES, last=DONE)
        self._inflate = inflater(response.headers.get("content-encoding", "identity"))
        self._parts: Iterator[bytes] | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._response.give_back()
        self._response.close()

    async def read(self) -> list[Event] | None:
        """Return all events that have arrived since, which may be none; None is the end.

        Raises:
            ServiceError: The response breaks, or what follows the last events is no event.
        """
        reader = self._reader
        if reader.failure:
            raise reader.failure
        if reader.ended and not self._ended:
            self._ended = True
            await self._finish()
        if self._ended:
            return None
        if self._parts:
            part = next(self._parts, None)
            if part is not None:
                # What unpacks to much must not keep other calls waiting.
                await asyncio.sleep(0)
                return reader.feed(part)
        try:
            data = await self._body.read(READ_BYTES)
        except aiohttp.ClientError as error:
            # The body keeps it, and it this frame: a cycle.
            error.__traceback__ = None
            self._attempts.add_failure(_cause_of_break(self._response))
            raise errors.UpstreamStreamBroken from None
        if not data:
            self._ended = True
            if is_error(reader.rest):
                # Written plainly into the body, in place of an event.
                raise errors.UpstreamError
            return reader.end()
        self.read_at = time.monotonic()
        if self._inflate is None:
            return reader.feed(data)
        self._parts = self._inflate(data)
        return reader.feed(next(self._parts, b""))

    async def _finish(self) -> None:
        """Read the end of the body, due now, so that the connection can be used again."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(END_OF_BODY_SECONDS):
                await self._body.readany()


def _cause_of_break(response: Response) -> Cause:
    connection = response.connection and response.connection.protocol
    return cause_of_end(connection) if isinstance(connection, UpstreamConnection) else Cause.OTHER
