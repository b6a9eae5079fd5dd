"""Connections to the upstream that never carry a byte of another's answer.

aiohttp's pool hands out a connection on which bytes arrived while it was idle, and the
next request takes them for its response. Here a connection's parser sees bytes only from
the moment its request is written until the connection is given back. At any other time
nothing is due, so whatever comes closes the connection. See docs/adr/0012-upstream-connections.md.
"""

import asyncio
import re
import select
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MAX_HEAD_BYTES: Final = 1 << 16
"""Of a response: its status line and all its headers."""
FINAL: Final = re.compile(rb"HTTP/[0-9]\.[0-9] +[2-9]")
"""How a head begins that no other follows."""
STATUS_BYTES: Final = 64
"""What is looked at of that."""
READABLE: Final = select.POLLIN | select.POLLPRI | select.POLLRDHUP
"""Bytes, or the end of them. An error is always told."""
ENDED: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class UpstreamConnection(ResponseHandler):
    """One connection, from one request to the next.

    Args:
        loop: The event loop.
        on_stray: Called when bytes have come that no request asked for.

    Attributes:
        reused: Whether an earlier request has had its whole response on it.
        answered: Whether any byte has come since the latest request was written.
        ended_by: The error that ended the connection; None also if it was closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_stray: Callable[[], None]) -> None:
        super().__init__(loop)
        self._on_stray = on_stray
        self.reused = False
        self.answered = False
        self.ended_by: BaseException | None = None

    def ask(self) -> None:
        """Let the response come, now that the request is about to be written.

        A connection on which something has come already is closed instead, and writing to
        it will fail.
        """
        if self.transport is None or self.transport.is_closing():
            return
        # Not looked for on a fresh connection: TLS brings its session tickets there.
        if self.should_close or (self.reused and self._has_bytes_or_end()):
            self.abort()
        else:
            self.transport.set_protocol(_Head(self))

    def rest(self) -> bool:
        """Refuse all bytes until the next request; return False if this cannot be used again."""
        if self._has_read_too_far():
            self._on_stray()
            return False
        if not self.is_fit():
            return False
        assert self.transport is not None  # noqa: S101 - it is connected
        self.transport.set_protocol(_Idle(self))
        self.reused = True
        self.answered = False
        return True

    def is_fit(self) -> bool:
        """Tell whether a request may be sent now: the connection is open, and nothing has come."""
        if self.transport is None or self.transport.is_closing() or self.should_close:
            return False
        # What the upstream has not taken of the latest request, it would take for the next one.
        return not self.transport.get_write_buffer_size() and not self._has_bytes_or_end()

    def refuse(self) -> None:
        """Close the connection: what has come is nobody's, and must not become anybody's."""
        self.abort()
        self._on_stray()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end, and fail the response if it is not whole.

        aiohttp drops a connection whose chunks do not parse, but lets whoever reads the
        body wait for ever.
        """
        self.ended_by = exc
        body = self._payload
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError())

    def _has_bytes_or_end(self) -> bool:
        """Tell whether the kernel or the TLS layer holds bytes, or the end of them."""
        assert self.transport is not None  # noqa: S101 - asked only while connected
        tls = self.transport.get_extra_info("ssl_object")
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), READABLE)
        found = poll.poll(0)
        # With TLS, what the kernel holds may be no more than a message of TLS itself.
        stray = tls.pending() if tls is not None else found and not found[0][1] & ENDED
        if stray:
            self._on_stray()
        return bool(stray or found)

    def _has_read_too_far(self) -> bool:
        """Tell whether anything was read behind the response; the parser is of no use after it."""
        parser, self._parser = self._parser, None
        if self._buffer or self._tail or isinstance(self.exception(), HttpProcessingError):
            return True
        try:
            # At the end of the bytes a parser hands out a message that it has begun.
            return parser is not None and parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - of many kinds, each of which says yes
            return True


class _Guard(asyncio.Protocol):
    """Stands between a connection's transport and its parser."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the end."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the upstream takes nothing."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it does again."""
        self._connection.resume_writing()


class _Idle(_Guard):
    """While no response is due."""

    def data_received(self, data: bytes) -> None:
        """Refuse them."""
        del data
        self._connection.refuse()


class _Head(_Guard):
    """Until the head of a response has come, which is bounded as a whole.

    Interim responses before it, such as 103, count as part of it.
    """

    def __init__(self, connection: UpstreamConnection) -> None:
        super().__init__(connection)
        self._size = 0
        self._last = b""
        self._begin = b""

    def data_received(self, data: bytes) -> None:
        """Hand the head to the parser, and then all the rest.

        Apart from the head, so that what follows a whole response cannot make it a failure.
        """
        connection, transport = self._connection, self._connection.transport
        if transport is None:
            return
        connection.answered = True
        while data and not transport.is_closing():
            end = self._end_of_head(data)
            part = data[:end] if end else data
            self._size += len(part)
            if self._size > MAX_HEAD_BYTES:
                connection.set_exception(HttpProcessingError(message="the head is too large"))
                transport.abort()
                return
            self._begin = (self._begin + part).lstrip()[:STATUS_BYTES]
            if end and FINAL.match(self._begin):
                transport.set_protocol(connection)
                connection.data_received(part)
                if end < len(data) and not transport.is_closing():
                    connection.data_received(data[end:])
                return
            connection.data_received(part)
            data = data[len(part) :]
            if end:
                self._begin = self._last = b""

    def eof_received(self) -> None:
        """Pass on that nothing more comes."""
        self._connection.eof_received()

    def _end_of_head(self, data: bytes) -> int:
        """Return how much of `data` is of the head if it ends there, or else 0."""
        seen = self._last + data
        ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := seen.find(mark)) >= 0]
        before = len(self._last)
        self._last = seen[-2:]
        return min(ends) - before if ends else 0
