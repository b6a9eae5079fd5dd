"""A client connection: h11 parses the requests; responses are written as raw bytes.

The connection is a protocol and not a pair of streams, because a protocol is notified at once when
the client closes, also while the response stalls, waits for its pace or blocks in a write.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import h11

from tokenwire_demo.changes import Changes
from tokenwire_demo.log import ClosedBy, Log, Outcome, RequestRecord

Handler = Callable[["Connection", "HttpRequest", RequestRecord], Awaitable[Outcome]]

MAX_BODY_BYTES = 64_000_000

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_logger = logging.getLogger("tokenwire.demo")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A parsed HTTP request."""

    method: str
    path: str
    """The path with the query."""
    headers: dict[str, str]
    body: bytes
    chunked: bool
    """Whether the client supports the chunked transfer encoding (HTTP/1.1)."""
    keep_alive: bool


class Connection(asyncio.Protocol):
    """Reads requests one after the other and runs the handler for each.

    Args:
        log: Records the connection and its requests.
        handler: Answers a request and returns the outcome.
        open_connections: Contains the connection while it is open.
    """

    def __init__(self, log: Log, handler: Handler, open_connections: "OpenConnections") -> None:
        self._log = log
        self._handler = handler
        self._open_connections = open_connections
        self._parser = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Record the connection."""
        self._transport = cast("asyncio.Transport", transport)
        # Without a buffer, data is in the kernel when a write ends, so that a reset right after
        # it does not discard what the plan has sent before.
        self._transport.set_write_buffer_limits(0)
        self.record = self._log.connection_opened()
        self._open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse the data, unless a request is being answered."""
        self._parser.receive_data(data)
        self._read_request()

    def eof_received(self) -> None:
        """End at once, because a client that closes its side has left."""
        self._end(by="client")
        # A graceful close would wait until the client has read everything.
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Record the end; the client has closed the connection unless `close` or `reset` did."""
        self._end(by="client")
        self._writable.set()
        self._open_connections.remove(self)

    def pause_writing(self) -> None:
        """Block writers."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Unblock writers."""
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Write bytes and wait until the kernel has accepted all of them.

        Raises:
            ConnectionResetError: The connection is closed.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def close(self) -> None:
        """Close the connection gracefully (FIN)."""
        self._log.connection_closed(self.record, "server")
        self._transport.close()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        self._log.connection_closed(self.record, "server")
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def stop(self) -> None:
        """End the connection and its request at once."""
        self._end(by="server")
        self._transport.abort()

    def _end(self, by: ClosedBy) -> None:
        self._log.connection_closed(self.record, by)
        if self.task is not None:
            self.task.cancel()

    def _read_request(self) -> None:
        while self.task is None and not self._transport.is_closing():
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError:
                self._transport.write(_BAD_REQUEST)
                self.close()
                return
            match event:
                case h11.Request():
                    self._head = event
                    if self._parser.they_are_waiting_for_100_continue:
                        self._transport.write(_CONTINUE)
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > MAX_BODY_BYTES:
                        self.reset()
                case h11.EndOfMessage() if self._head is not None:
                    request = _http_request(self._head, bytes(self._body))
                    self.task = asyncio.get_running_loop().create_task(self._serve(request))
                case _:
                    return

    async def _serve(self, request: HttpRequest) -> None:
        record = RequestRecord(request.method, request.path, request.headers, time.monotonic())
        self._log.request_started(self.record, record)
        outcome: Outcome = "failed"
        try:
            outcome = await self._handler(self, request, record)
        except (asyncio.CancelledError, ConnectionResetError):
            outcome = "client gone" if self.record.closed_by == "client" else "stopped"
        except Exception:
            _logger.exception("the demo upstream failed to answer %s", request.path)
            self.reset()
        finally:
            self.task = None
            self._log.request_ended(record, outcome)
        if outcome == "complete" and request.keep_alive:
            self._next_request()
        elif not self._transport.is_closing():
            self.close()

    def _next_request(self) -> None:
        received, _ = self._parser.trailing_data
        # A parser is used for one request: h11 does not see the responses, so it would not accept
        # another request.
        self._parser = h11.Connection(h11.SERVER)
        self._head = None
        self._body.clear()
        if received:
            self._parser.receive_data(received)
            self._read_request()


class OpenConnections:
    """The connections with open sockets."""

    def __init__(self) -> None:
        self._members: set[Connection] = set()
        self._changes = Changes()
        self._closing = False

    def add(self, connection: Connection) -> None:
        """Add a connection; after `close`, end it."""
        self._members.add(connection)
        if self._closing:
            connection.stop()

    def remove(self, connection: Connection) -> None:
        """Remove a connection whose socket is closed."""
        self._members.discard(connection)
        self._changes.notify()

    async def close(self) -> None:
        """End all connections, including later ones, and wait for their tasks and sockets."""
        self._closing = True
        tasks = [one.task for one in self._members if one.task is not None]
        for connection in self._members:
            connection.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._changes.until(lambda: not self._members)


def _http_request(head: h11.Request, body: bytes) -> HttpRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    modern = head.http_version >= b"1.1"
    return HttpRequest(
        method=head.method.decode("ascii"),
        path=head.target.decode("latin-1"),
        headers=headers,
        body=body,
        chunked=modern,
        keep_alive=modern and "close" not in headers.get("connection", "").lower(),
    )
