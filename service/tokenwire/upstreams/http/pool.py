"""aiohttp's connector, request and response, extended to verify a connection before its reuse."""

import asyncio
import logging
import math
import socket
from functools import partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.tracing import Trace

from tokenwire.upstreams.http.connections import UpstreamConnection
from tokenwire.upstreams.http.resolver import Resolver

KEEPALIVE_SECONDS: Final = 4.0
"""How long an idle connection may be reused. Common servers close idle connections after 5 s; with
a lower value, few requests are sent on a connection that the upstream is closing."""
RECEIVE_BUFFER_BYTES: Final = 1 << 15
"""The receive buffer of a connection's socket. Without it, one read returns up to 256 KiB. Linux
doubles the value, which allows 6 MB/s at a round-trip time of 10 ms."""
NO_REUSE_SECONDS: Final = 60.0
"""How long no connection is reused after stray bytes have arrived on one, or after file descriptors
have run out."""
BODILESS_STATUSES: Final = (204, 304)
"""Statuses without a body. The parser would read one that is sent anyway as the next response."""


log = logging.getLogger(__name__)


class Attempt:
    """One request and its connection. The class is an aiohttp middleware for that request.

    Args:
        fresh: Whether the request must use a new connection.

    Attributes:
        connection: The request's connection; None until it is established.
        sent: Whether the first byte was sent.
    """

    def __init__(self, *, fresh: bool) -> None:
        self.fresh = fresh
        self.connection: UpstreamConnection | None = None
        self.sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request."""
        assert isinstance(request, Request)  # noqa: S101 - the session's request_class
        request.attempt = self
        return await handler(request)

    @property
    def is_stale(self) -> bool:
        """Whether the connection is reused and no byte of the response has arrived."""
        connection = self.connection
        return connection is not None and connection.reused and not connection.answered

    @property
    def reused(self) -> bool:
        """Whether the connection served an earlier request."""
        return self.connection is not None and self.connection.reused


class Request(aiohttp.ClientRequest):
    """A request that notifies its connection before it is written.

    Attributes:
        attempt: The attempt of the request. The attempt sets it before the request is sent.
    """

    attempt: Attempt

    @property
    def connection_key(self) -> ConnectionKey:
        """The key of the idle connections that the request may use."""
        key = super().connection_key
        return _FreshKey(*key) if self.attempt.fresh else key

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send the request. Closing the response aborts a request that is only partly sent."""

        def abort_unsent() -> None:
            # A graceful close would wait until the upstream has read the rest.
            if conn.transport and conn.transport.get_write_buffer_size():
                conn.transport.abort()

        conn.add_callback(abort_unsent)
        assert isinstance(conn.protocol, UpstreamConnection)  # noqa: S101 - the connector's factory
        self.attempt.connection = conn.protocol
        return await super().send(conn)

    async def write_bytes(
        self,
        writer: AbstractStreamWriter,
        conn: aiohttp.connector.Connection,
        content_length: int | None = None,
    ) -> None:
        """Write the head and the body."""
        if self.attempt.connection is not None:
            self.attempt.connection.expect_response()
        self.attempt.sent = True
        await super().write_bytes(writer, conn, content_length)


class Response(aiohttp.ClientResponse):
    """A response that holds its connection until the reader returns it.

    This makes bytes after the end of the response detectable before the connection is reused.
    """

    def _response_eof(self) -> None:
        """Do nothing, in place of releasing the connection at the end of the response."""

    def return_connection(self) -> None:
        """Return the connection to the pool if the response has ended, or else close it."""
        if self.content.is_eof() and self.status not in BODILESS_STATUSES:
            self.release()
        else:
            self.close()


class Connector(aiohttp.TCPConnector):
    """A connection pool that checks connections when they are returned and when they are reused."""

    def __init__(self) -> None:
        super().__init__(
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            socket_factory=_make_socket,
            resolver=Resolver(),
        )
        self._loop = asyncio.get_running_loop()
        self._no_reuse_until = -math.inf
        self._factory = partial(  # type: ignore[assignment] # partial is invariant
            UpstreamConnection, loop=self._loop, on_stray=self._on_stray
        )

    async def _get(
        self, key: ConnectionKey, traces: list[Trace]
    ) -> aiohttp.connector.Connection | None:
        if isinstance(key, _FreshKey):
            return None
        while found := await super()._get(key, traces):
            if (
                isinstance(found.protocol, UpstreamConnection)
                and found.protocol.is_usable()
                and self._may_reuse()
            ):
                return found
            found.close()
        return None

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        reusable = (
            not should_close
            and isinstance(protocol, UpstreamConnection)
            and protocol.mark_idle()
            and self._may_reuse()
        )
        super()._release(key, protocol, should_close=not reusable)

    def suspend_reuse(self) -> None:
        """Reuse no connection for NO_REUSE_SECONDS."""
        self._no_reuse_until = self._loop.time() + NO_REUSE_SECONDS

    def _may_reuse(self) -> bool:
        return self._loop.time() >= self._no_reuse_until

    def _on_stray(self) -> None:
        # Stray bytes that arrive after the next request is written would look like its response.
        if self._may_reuse():
            log.warning(
                "the upstream sent bytes that no request asked for",
                extra={"connections_not_reused_seconds": NO_REUSE_SECONDS},
            )
        self.suspend_reuse()


class _FreshKey(ConnectionKey):
    """A key that equals a plain key but matches no idle connection."""


def _make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return sock
