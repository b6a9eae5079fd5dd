"""Reads the body of a response for the client of a provider's package."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Final

import aiohttp

from tokenwire.core import errors
from tokenwire.upstreams.http.causes import stream_broken
from tokenwire.upstreams.http.connections import UpstreamConnection
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.langchain.exchange import ProviderExchange
from tokenwire.upstreams.langchain.framing import Framing

READ_BYTES: Final = 1 << 14
END_OF_BODY_SECONDS: Final = 0.05
"""How long the end of a body may take after the last event; the connection is not reused if it
takes longer."""


class Body:
    """The decoded body of a response, which contains only valid events and no errors.

    Args:
        response: The response.
        framing: Splits the body.
        exchange: Receives what the events say, and the failure that ends the body.

    Raises:
        UpstreamProtocolError: The encoding of the body is not supported.
    """

    def __init__(self, response: Response, framing: Framing, exchange: ProviderExchange) -> None:
        self._content = response.content
        self._framing = framing
        self._exchange = exchange
        connection = response.connection
        protocol = connection.protocol if connection else None
        self._connection = protocol if isinstance(protocol, UpstreamConnection) else None
        self._inflate = inflater(response.headers.get("content-encoding", "identity"))
        self._parts: Iterator[bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield events in the form that the package reads.

        Raises:
            ServiceError: The connection breaks, or an event is invalid or reports an error.
        """
        try:
            while True:
                events, is_last = await self._read()
                encoded, failure = self._encode(events)
                if encoded:
                    yield encoded
                if failure or self._framing.failure:
                    raise failure or self._framing.failure or errors.UpstreamError
                if self._exchange.facts.ended or self._framing.ended:
                    await self._finish()
                    return
                if is_last:
                    return
        except errors.ServiceError as error:
            self._exchange.failure = error
            raise

    async def aclose(self) -> None:
        """End the request."""
        self._exchange.close()

    async def _read(self) -> tuple[list[Event], bool]:
        """Return the events of the next bytes, and whether the body has ended."""
        if self._parts:
            part = next(self._parts, None)
            if part is not None:
                # Data with a high compression ratio must not block the event loop.
                await asyncio.sleep(0)
                return self._framing.feed(part), False
        try:
            data = await self._content.read(READ_BYTES)
        except aiohttp.ClientError as error:
            # Breaks a reference cycle: the body refers to the error, and the error to this frame.
            error.__traceback__ = None
            raise stream_broken(self._connection, self._exchange.attempts) from None
        if not data:
            if self._connection is not None and self._connection.was_cut:
                raise stream_broken(self._connection, self._exchange.attempts)
            return self._framing.end(), True
        self._exchange.read_at = time.monotonic()
        if self._inflate is None:
            return self._framing.feed(data), False
        self._parts = self._inflate(data)
        return self._framing.feed(next(self._parts, b"")), False

    def _encode(self, events: list[Event]) -> tuple[bytes, errors.ServiceError | None]:
        """Return the encoded events up to the first failure, and the failure."""
        encoded = b""
        facts = self._exchange.facts
        try:
            for event in events:
                if facts.ended:
                    break
                value = self._framing.decode(event)
                if value is not None:
                    self._exchange.observe(value, facts)
                    encoded += self._framing.encode(value)
        except errors.ServiceError as error:
            return encoded, error
        return encoded, None

    async def _finish(self) -> None:
        """Read the end of the body, so that the connection can be reused."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(END_OF_BODY_SECONDS):
                await self._content.readany()
