"""Upstream connections that never deliver bytes of one response to another request.

aiohttp's pool reuses a connection on which bytes arrived while it was idle, and the next request
reads them as its response. Here, the parser of a connection receives bytes only from the time at
which its request is written until the connection is returned to the pool. Bytes that arrive at
any other time close the connection. See docs/adr/0012-upstream-connections.md.
"""

import asyncio
import re
import select
from collections.abc import Callable
from typing import Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MAX_HEAD_BYTES: Final = 1 << 16
"""The largest size of a response's status line and headers together."""
FINAL_STATUS: Final = re.compile(rb"HTTP/[0-9]\.[0-9] +[2-9]")
"""The beginning of a final response, as opposed to an interim one (1xx)."""
STATUS_BYTES: Final = 64
"""The number of bytes of the status line that are matched."""
READABLE: Final = select.POLLIN | select.POLLPRI | select.POLLRDHUP
"""Events for bytes and for the end of the stream. Errors are always reported."""
ENDED: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class UpstreamConnection(ResponseHandler):
    """A connection that serves one request at a time.

    Args:
        loop: The event loop.
        on_stray: Called when bytes arrive that are not part of a response.

    Attributes:
        reused: Whether an earlier request on the connection received its complete response.
        answered: Whether any byte has arrived since the latest request was written.
        ended_by: The error that ended the connection; None if there was no error.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_stray: Callable[[], None]) -> None:
        super().__init__(loop)
        self._on_stray = on_stray
        self.reused = False
        self.answered = False
        self.ended_by: BaseException | None = None
        self._cut = False
        self._poll: select.poll | None = None

    @property
    def was_cut(self) -> bool:
        """Whether the connection ended before the response, or by a reset.

        Its body looks complete to aiohttp.
        """
        return self._cut or isinstance(self.ended_by, ConnectionError)

    def expect_response(self) -> None:
        """Accept a response from now on. Called just before the request is written.

        If bytes have already arrived, close the connection instead; the write then fails.
        """
        if self.transport is None or self.transport.is_closing():
            return
        # A new connection is not checked, because TLS session tickets make it readable.
        if self.should_close or (self.reused and self._has_bytes_or_end()):
            self.abort()
        else:
            self.transport.set_protocol(_Head(self))

    def mark_idle(self) -> bool:
        """Reject all bytes until the next request; return False if reuse is not possible."""
        if self._has_read_past_response():
            self._on_stray()
            return False
        if not self.is_usable():
            return False
        assert self.transport is not None  # noqa: S101 - it is connected
        self.transport.set_protocol(_Idle(self))
        self.reused = True
        self.answered = False
        return True

    def is_usable(self) -> bool:
        """Report whether the connection is open and no bytes have arrived on it."""
        if self.transport is None or self.transport.is_closing() or self.should_close:
            return False
        # The upstream would read unsent bytes of the previous request as part of the next one.
        return not self.transport.get_write_buffer_size() and not self._has_bytes_or_end()

    def reject_stray(self) -> None:
        """Close the connection because stray bytes have arrived."""
        self.abort()
        self._on_stray()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Record the end of the connection, and end an incomplete response.

        aiohttp would discard what has arrived of its body and has not been read. It would also not
        wake the reader of a body whose chunks do not parse.
        """
        self.ended_by = exc
        body, self._payload = self._payload, None
        super().connection_lost(exc)
        if body is not None and not body.is_eof():
            self._cut = True
            body.feed_eof()

    def _has_bytes_or_end(self) -> bool:
        """Report whether the kernel or the TLS layer holds bytes or the end of the stream."""
        assert self.transport is not None  # noqa: S101 - called only while connected
        tls = self.transport.get_extra_info("ssl_object")
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), READABLE)
        found = self._poll.poll(0)
        # With TLS, the bytes in the kernel may be a message of the TLS protocol itself.
        stray = tls.pending() if tls is not None else found and not found[0][1] & ENDED
        if stray:
            self._on_stray()
        return bool(stray or found)

    def _has_read_past_response(self) -> bool:
        """Report whether bytes were read after the response. This discards the parser."""
        parser, self._parser = self._parser, None
        if self._buffer or self._tail or isinstance(self.exception(), HttpProcessingError):
            return True
        try:
            # At EOF, the parser returns the message that it has begun to parse.
            return parser is not None and parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - every parser error means that bytes were read
            return True


class _Guard(asyncio.Protocol):
    """A protocol between a connection's transport and its parser."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        """Forward to the connection."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Forward to the connection."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Forward to the connection."""
        self._connection.resume_writing()


class _Idle(_Guard):
    """The protocol while no response is expected."""

    def data_received(self, data: bytes) -> None:
        """Close the connection."""
        del data
        self._connection.reject_stray()


class _Head(_Guard):
    """The protocol until the head of the response has arrived. It limits the size of the head.

    The heads of interim responses, such as 103, count towards the limit.
    """

    def __init__(self, connection: UpstreamConnection) -> None:
        super().__init__(connection)
        self._size = 0
        self._previous = b""
        self._status_line = b""

    def data_received(self, data: bytes) -> None:
        """Pass the head to the parser, then the remaining bytes in a separate call.

        In one call, invalid bytes after a complete response would make the response fail.
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
            self._status_line = (self._status_line + part).lstrip()[:STATUS_BYTES]
            if end and FINAL_STATUS.match(self._status_line):
                transport.set_protocol(connection)
                connection.data_received(part)
                if end < len(data) and not transport.is_closing():
                    connection.data_received(data[end:])
                return
            connection.data_received(part)
            data = data[len(part) :]
            if end:
                self._status_line = self._previous = b""

    def eof_received(self) -> None:
        """Forward to the connection."""
        self._connection.eof_received()

    def _end_of_head(self, data: bytes) -> int:
        """Return the position in `data` at which the head ends, or 0 if it does not end there."""
        seen = self._previous + data
        ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := seen.find(mark)) >= 0]
        before = len(self._previous)
        self._previous = seen[-2:]
        return min(ends) - before if ends else 0
