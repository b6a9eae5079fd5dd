"""The connections of the metrics port: how many, and for how long."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.metrics import LIMIT, TIMEOUT, PortMetrics

EOF_SECONDS: Final = 1.0
"""How long what came before the end of a peer's side may take to become a request."""

Protocol: TypeAlias = asyncio.Protocol


class ScrapeConnections:
    """All open connections; makes the protocol of each new one.

    Args:
        protocol: Makes the protocol that speaks HTTP.
        limits: Bounds of number and time.
        metrics: Told what happens.
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
        """Return the connection whose HTTP this protocol speaks, if it is open."""
        return self._open.get(protocol)

    def add(self, connection: "ScrapeConnection") -> bool:
        """Take a new connection in; tell whether there is room for it.

        Over the limit the one that has waited longest for its peer makes room,
        so that peers who send or read nothing do not keep out one who does.
        """
        if len(self._open) >= self.limits.connections:
            waiting = [each for each in self._open.values() if each.waits_since is not None]
            if not waiting:
                self.count_dropped(LIMIT)
                return False
            min(waiting, key=lambda each: each.waits_since or 0.0).drop(LIMIT)
        self._open[connection.protocol] = connection
        self._metrics.connections.set(len(self._open))
        return True

    def remove(self, connection: "ScrapeConnection") -> None:
        """Forget a connection; again does nothing."""
        self._open.pop(connection.protocol, None)
        self._metrics.connections.set(len(self._open))

    def count_dropped(self, reason: str) -> None:
        """Count a connection that is closed without a response."""
        self._metrics.dropped[reason].inc()

    async def close(self) -> None:
        """Give responses under way a moment, then close all."""
        end = asyncio.get_running_loop().time() + self.limits.stop_seconds
        for each in tuple(self._open.values()):
            each.close_unless_asked()
        closing = [each.closed for each in self._open.values()]
        if closing:
            await asyncio.wait(closing, timeout=end - asyncio.get_running_loop().time())
        for each in tuple(self._open.values()):
            each.abort()


class ScrapeConnection(asyncio.Protocol):
    """Bounds the time of one connection, which carries one request.

    It waits for its peer twice: to send the request, and to read the response.

    Args:
        protocol: Speaks HTTP.
        connections: All of them.

    Attributes:
        protocol: Speaks HTTP.
        waits_since: Since when it waits for its peer, by the event loop's clock;
            None while the peer waits for us.
        closed: Done when it is closed.
    """

    def __init__(self, protocol: Protocol, connections: ScrapeConnections) -> None:
        self.protocol = protocol
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asked = False
        self.waits_since: float | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the request."""
        tcp = cast(asyncio.Transport, transport)
        if not self._connections.add(self):
            tcp.abort()
            return
        self._transport = tcp
        self._wait(self._connections.limits.request_seconds)
        self.protocol.connection_made(transport)

    def asked(self) -> None:
        """Note that the whole request is there; its peer waits for us from now on."""
        self._asked = True
        self.waits_since = None
        self._cancel()

    def answered(self) -> None:
        """Note that the response is handed over; its peer has to read it from now on."""
        if not self.closed.done():
            self._wait(self._connections.limits.response_seconds)

    def drop(self, reason: str) -> None:
        """Close it at once, and count that."""
        self._connections.count_dropped(reason)
        self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._cancel()
        self._connections.remove(self)
        if self._transport:
            self._transport.abort()

    def close_unless_asked(self) -> None:
        """Close it at once if no whole request has come."""
        if not self._asked:
            self.abort()

    def _wait(self, seconds: float) -> None:
        self.waits_since = self._loop.time()
        self._cancel()
        self._timer = self._loop.call_later(seconds, self.drop, TIMEOUT)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        self.protocol.data_received(data)

    def eof_received(self) -> bool:
        """Keep our side open: a peer may close its own as soon as it has asked."""
        if not self._asked:
            self._cancel()
            self._timer = self._loop.call_later(EOF_SECONDS, self.close_unless_asked)
        return True

    def pause_writing(self) -> None:
        """Hand on that the peer does not read."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that the peer reads again."""
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.closed.set_result(None)
        if self._transport:
            self._cancel()
            self._connections.remove(self)
            self.protocol.connection_lost(exc)
