"""Limits the number and the lifetime of connections to the metrics port."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.metrics import LIMIT, TIMEOUT, PortMetrics

EOF_SECONDS: Final = 1.0
"""How long a half-closed connection may take to yield a complete request from its buffer."""

Protocol: TypeAlias = asyncio.Protocol


class ScrapeConnections:
    """All open connections; the protocol factory of the server.

    Args:
        protocol: Creates the HTTP protocol of a connection.
        limits: The limits of number and time.
        metrics: The metrics of the port.
    """

    def __init__(
        self, protocol: Callable[[], Protocol], limits: Limits, metrics: PortMetrics
    ) -> None:
        self.limits = limits
        self._protocol = protocol
        self._metrics = metrics
        self._open: dict[Protocol, ScrapeConnection] = {}

    def __call__(self) -> "ScrapeConnection":
        """Return the protocol of a new connection."""
        return ScrapeConnection(self._protocol(), self)

    def of(self, protocol: Protocol) -> "ScrapeConnection | None":
        """Return the open connection of an HTTP protocol, or None."""
        return self._open.get(protocol)

    def add(self, connection: "ScrapeConnection") -> bool:
        """Add a new connection.

        At the limit, this drops the connection that has waited longest for its peer, so that
        idle peers cannot lock out an active one.

        Returns:
            False if the limit is reached and no connection waits for its peer.
        """
        if len(self._open) >= self.limits.connections:
            waiting = [each for each in self._open.values() if each.waiting_since is not None]
            if not waiting:
                self.count_dropped(LIMIT)
                return False
            min(waiting, key=lambda each: each.waiting_since or 0.0).drop(LIMIT)
        self._open[connection.protocol] = connection
        self._metrics.connections.set(len(self._open))
        return True

    def remove(self, connection: "ScrapeConnection") -> None:
        """Remove a connection; removing it again does nothing."""
        self._open.pop(connection.protocol, None)
        self._metrics.connections.set(len(self._open))

    def count_dropped(self, reason: str) -> None:
        """Count a connection that is closed without a response, by reason."""
        self._metrics.dropped[reason].inc()

    async def close(self) -> None:
        """Close all connections; responses in flight have limits.stop_seconds to complete."""
        end = asyncio.get_running_loop().time() + self.limits.stop_seconds
        closing = [each.closed for each in self._open.values()]
        for each in tuple(self._open.values()):
            each.abort_without_request()
        if closing:
            await asyncio.wait(closing, timeout=end - asyncio.get_running_loop().time())
        for each in tuple(self._open.values()):
            each.abort()


class ScrapeConnection(asyncio.Protocol):
    """Limits the lifetime of one connection, which carries one request.

    A connection waits for its peer twice: until the peer has sent the request, and until it
    has read the response.

    Args:
        protocol: The HTTP protocol of the connection.
        connections: All connections.

    Attributes:
        protocol: The HTTP protocol of the connection.
        waiting_since: When the connection began to wait for its peer, by the event loop's
            clock, in seconds; None while the request is handled.
        closed: Done when the connection is closed.
    """

    def __init__(self, protocol: Protocol, connections: ScrapeConnections) -> None:
        self.protocol = protocol
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_request = False
        self.waiting_since: float | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timeout of the request."""
        tcp = cast(asyncio.Transport, transport)
        if not self._connections.add(self):
            tcp.abort()
            return
        self._transport = tcp
        self._wait(self._connections.limits.request_seconds)
        self.protocol.connection_made(transport)

    def request_received(self) -> None:
        """Record that the request is complete: stop the timeout."""
        self._has_request = True
        self.waiting_since = None
        self._cancel()

    def response_written(self) -> None:
        """Record that the response is written: start the timeout of its reading."""
        if not self.closed.done():
            self._wait(self._connections.limits.response_seconds)

    def drop(self, reason: str) -> None:
        """Close the connection immediately and count it."""
        self._connections.count_dropped(reason)
        self.abort()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._cancel()
        self._connections.remove(self)
        if self._transport:
            self._transport.abort()

    def abort_without_request(self) -> None:
        """Close the connection immediately unless its request is complete."""
        if not self._has_request:
            self.abort()

    def _wait(self, seconds: float) -> None:
        self.waiting_since = self._loop.time()
        self._cancel()
        self._timer = self._loop.call_later(seconds, self.drop, TIMEOUT)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Forward data to the HTTP protocol."""
        self.protocol.data_received(data)

    def eof_received(self) -> bool:
        """Keep the connection open for writing: a peer may half-close it after its request."""
        if not self._has_request:
            self._cancel()
            self._timer = self._loop.call_later(EOF_SECONDS, self.abort_without_request)
        return True

    def pause_writing(self) -> None:
        """Forward that the write buffer is full."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Forward that the write buffer has room again."""
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self.closed.set_result(None)
        if self._transport:
            self._cancel()
            self._connections.remove(self)
            self.protocol.connection_lost(exc)
