"""Reads the events of one response."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self

import aiohttp

from tokenwire.core.attempts import Attempts
from tokenwire.upstreams.http.causes import stream_broken
from tokenwire.upstreams.http.connections import UpstreamConnection
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run, Templates
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.http.sse import EventReader
from tokenwire.upstreams.openai.error_body import decode_json
from tokenwire.upstreams.openai.rejection import error_in_answer, is_error

DONE: Final = b"[DONE]"
"""The data of the event that ends a stream."""
END_OF_BODY_SECONDS: Final = 0.05
READ_BYTES: Final = 1 << 13
"""The most bytes per read. It limits the memory of an answer while its caller does not read, and
how long one answer keeps others from the event loop."""
MORE_READS: Final = 7
"""The most reads, after a full one, whose events are part of the same Answer."""
TEXT_BYTES: Final = 1 << 12
"""No more is read for an Answer that has so many bytes of text. This and one read limit its text,
except for a large event."""


class ResponseEvents:
    """Reads the events of a response.

    Leaving the context ends the request without waiting. The connection is reused if the
    response has ended.

    Args:
        response: The response.
        attempts: Records the cause of a broken connection.
        max_event_bytes: The size limit of one event.

    Attributes:
        read_at: The `time.monotonic` value of the latest read of bytes, in seconds.
        full: Whether the latest read returned as much as it may, so that more bytes have arrived.
    """

    def __init__(self, response: Response, attempts: Attempts, max_event_bytes: int) -> None:
        self.read_at = 0.0
        self.full = False
        self._response = response
        connection = response.connection
        protocol = connection.protocol if connection else None
        self._connection = protocol if isinstance(protocol, UpstreamConnection) else None
        self._body = response.content
        self._attempts = attempts
        self._reader = EventReader(max_event_bytes, last=DONE)
        self._inflate = inflater(response.headers.get("content-encoding", "identity"))
        self._parts: Iterator[bytes] | None = None
        self._room = 0
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._response.return_connection()
        self._response.close()

    async def read(self) -> list[Event] | None:
        """Return the events, each on its own; see `read_runs`."""
        batch = await self.read_runs()
        return None if batch is None else [event for event in batch if isinstance(event, Event)]

    def find_runs(self, templates: Templates | None) -> None:
        """From now on, return runs of the events that match a template of `templates`."""
        self._reader.templates = templates

    async def read_runs(self) -> list[Event | Run] | None:
        """Return the events that have arrived since the last read, or None at the end.

        The list is empty if no event is complete.

        Raises:
            ServiceError: The connection breaks, or the data after the last event is invalid.
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
                # Data with a high compression ratio must not block the event loop.
                await asyncio.sleep(0)
                return reader.feed_runs(part)
        try:
            data = await self._body.read(READ_BYTES)
        except aiohttp.ClientError as error:
            # Breaks a reference cycle: the body refers to the error, and the error to this frame.
            error.__traceback__ = None
            raise stream_broken(self._connection, self._attempts) from None
        if not data:
            self._ended = True
            if self._connection is not None and self._connection.was_cut:
                raise stream_broken(self._connection, self._attempts)
            return self._last()
        self.read_at = time.monotonic()
        if self._inflate is None:
            self._room = READ_BYTES - len(data)
            self.full = self._room == 0
            return reader.feed_runs(data)
        self._parts = self._inflate(data)
        return reader.feed_runs(next(self._parts, b""))

    def read_arrived(self) -> list[Event | Run]:
        """Return the events that have arrived since `read_runs`, without waiting for others.

        Both together read at most `READ_BYTES`. What has gone wrong is left to the next read.
        """
        if self._room <= 0:
            return []
        room, self._room = self._room, 0
        return self._read_nowait(room)

    async def read_on(self, batch: list[Event | Run]) -> None:
        """Append the events that follow without a pause to those of full reads.

        A message costs as much as a hundred tokens that arrive together.
        """
        for _ in range(MORE_READS):
            if not self.full or sum(map(_text_bytes, batch)) > TEXT_BYTES:
                return
            # Lets the event loop do its other work, and read what the kernel holds.
            await asyncio.sleep(0)
            batch += self._read_nowait(READ_BYTES)

    def _read_nowait(self, most: int) -> list[Event | Run]:
        reader, body = self._reader, self._body
        self.full = False
        if self._ended or reader.ended or reader.failure or body.exception():
            return []
        data = body.read_nowait(most)
        if not data:
            return []
        self.read_at = time.monotonic()
        self.full = len(data) == most
        return reader.feed_runs(data)

    def _last(self) -> list[Event | Run]:
        """Return the events that the end of the body completes.

        Some upstreams write an error object into the body in place of an event, and some do not
        stream: their body is one JSON object.
        """
        pending = self._reader.pending
        value = decode_json(pending)
        if is_error(value):
            raise error_in_answer(pending)
        if isinstance(value, dict):
            return [Event(b"", pending)]
        return [*self._reader.end()]

    async def finish(self) -> None:
        """Read the end of the body, so that the connection can be reused.

        Call it once the last event of the answer has arrived. Further events are dropped.
        """
        if not self._ended:
            self._ended = True
            await self._finish()

    async def _finish(self) -> None:
        if self._body.at_eof():
            return
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(END_OF_BODY_SECONDS):
                await self._body.readany()


def _text_bytes(each: Event | Run) -> int:
    """Return the most bytes that an event or a run adds to the text."""
    return len(each.joined) if isinstance(each, Run) else len(each.data)
