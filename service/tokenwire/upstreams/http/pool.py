"""aiohttp's connector, request and response, taught to mistrust the connections they share."""

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
"""How long an idle connection may be used again. Common servers close one after 5 s; below
that, requests are seldom sent into a connection that the upstream is closing."""
RECEIVE_BUFFER_BYTES: Final = 1 << 15
"""Of a connection's socket: without a bound one read brings 256 KiB, however little is asked
for. Linux takes twice the number, which lets 6 MB/s pass at a round trip of 10 ms."""
KEEP_NONE_SECONDS: Final = 60.0
"""For how long no connection is used again after one has brought bytes that no request asked
for, or file descriptors have run out."""
BODILESS: Final = (204, 304)
"""Statuses whose response has no body: one that is sent all the same is read as the next one."""


log = logging.getLogger(__name__)


class Attempt:
    """One request, and the connection that it goes out on; aiohttp's middleware of one request.

    Args:
        fresh: Whether it must not go out on a connection that was used before.

    Attributes:
        connection: The connection, once there is one.
        sent: Whether its first byte was sent.
    """

    def __init__(self, *, fresh: bool) -> None:
        self.fresh = fresh
        self.connection: UpstreamConnection | None = None
        self.sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request."""
        assert isinstance(request, Request)  # noqa: S101 - the session makes no others
        request.attempt = self
        return await handler(request)

    @property
    def is_stale(self) -> bool:
        """Whether the connection was used before, and no byte has come for this request."""
        connection = self.connection
        return connection is not None and connection.reused and not connection.answered

    @property
    def reused(self) -> bool:
        """Whether the connection was used before."""
        return self.connection is not None and self.connection.reused


class Request(aiohttp.ClientRequest):
    """A request that tells its connection when a response may come.

    Attributes:
        attempt: Set by the attempt itself before anything else.
    """

    attempt: Attempt

    @property
    def connection_key(self) -> ConnectionKey:
        """Which idle connections will do."""
        key = super().connection_key
        return _FreshKey(*key) if self.attempt.fresh else key

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send it, in a way that can be given up while the upstream has not taken all of it."""

        def abort_unsent() -> None:
            # Closing would wait until the upstream has taken the rest.
            if conn.transport and conn.transport.get_write_buffer_size():
                conn.transport.abort()

        conn.add_callback(abort_unsent)
        assert isinstance(conn.protocol, UpstreamConnection)  # noqa: S101 - the connector makes no others
        self.attempt.connection = conn.protocol
        return await super().send(conn)

    async def write_bytes(
        self,
        writer: AbstractStreamWriter,
        conn: aiohttp.connector.Connection,
        content_length: int | None = None,
    ) -> None:
        """Send head and body; nothing of a request was written before."""
        if self.attempt.connection is not None:
            self.attempt.connection.ask()
        self.attempt.sent = True
        await super().write_bytes(writer, conn, content_length)


class Response(aiohttp.ClientResponse):
    """A response that keeps its connection until whoever reads it gives it back.

    So what comes behind the end of the response is seen before another request uses it.
    """

    def _response_eof(self) -> None:
        """Do nothing, where aiohttp would give the connection back."""

    def give_back(self) -> None:
        """Keep the connection for another request if the response has ended, or close it."""
        if self.content.is_eof() and self.status not in BODILESS:
            self.release()
        else:
            self.close()


class Connector(aiohttp.TCPConnector):
    """A pool that checks connections when they are given back and when they are taken."""

    def __init__(self) -> None:
        super().__init__(
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            socket_factory=_small_socket,
            resolver=Resolver(),
        )
        self._loop = asyncio.get_running_loop()
        self._keeps_none_until = -math.inf
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
                and found.protocol.is_fit()
                and self._keeps()
            ):
                return found
            found.close()
        return None

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        can_rest = (
            not should_close
            and isinstance(protocol, UpstreamConnection)
            and protocol.rest()
            and self._keeps()
        )
        super()._release(key, protocol, should_close=not can_rest)

    def keep_none(self) -> None:
        """Use no connection again for KEEP_NONE_SECONDS."""
        self._keeps_none_until = self._loop.time() + KEEP_NONE_SECONDS

    def _keeps(self) -> bool:
        return self._loop.time() >= self._keeps_none_until

    def _on_stray(self) -> None:
        # Those that come while the next request is on its way look like its response.
        if self._keeps():
            log.warning(
                "the upstream sent bytes that no request asked for",
                extra={"connections_not_reused_seconds": KEEP_NONE_SECONDS},
            )
        self.keep_none()


class _FreshKey(ConnectionKey):
    """Equal to another key, but no idle connection will do."""


def _small_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return made
