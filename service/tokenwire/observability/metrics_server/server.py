"""The HTTP server of the metrics port, on a thread and an event loop of its own."""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from tokenwire.observability import logs
from tokenwire.observability.metrics_server.connections import ScrapeConnections
from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.metrics import PortMetrics
from tokenwire.observability.metrics_server.pages import Pages
from tokenwire.observability.metrics_server.rendering import Renderer
from tokenwire.observability.metrics_server.status import StatusPages

log = logging.getLogger(__name__)

LINGER_SECONDS: Final = 0.5
"""How long the body of a rejected request is read and discarded. Closing the connection earlier
would reset it before the sender reads the response."""

WARNING_SECONDS: Final = 60.0
"""The minimum time between two warnings about refused connections."""
RESOURCE_ERRORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The errors of `accept` when a system resource is exhausted."""
LIMITS: Final = Limits()

# Silenced: malformed requests are not worth a log line, and `Pages` logs its own exceptions.
http_log = logging.getLogger(f"{__name__}.http")
http_log.setLevel(logging.CRITICAL + 1)


class MetricsServer:
    """Serves a registry at /metrics and the state of the event loop at /healthz.

    The server uses two threads, regardless of load: one for all connections and one for
    rendering. It therefore responds while the process's event loop is blocked, and scrapes do
    not delay that loop.

    Args:
        address: HOST:PORT to listen on; port 0 selects a free port.
        registry: The registry to serve.
        metrics: The metrics of this port.
        lag: Returns the current lag of the process's event loop, in seconds; called from
            another thread.
        limits: The limits of connections and time.
        status: The pages / and /status.json; None for none.

    Attributes:
        address: HOST:PORT of the listener, with the actual port.

    Raises:
        OSError: The server cannot listen on the address.
    """

    def __init__(  # noqa: PLR0913 - independent parts
        self,
        address: str,
        registry: CollectorRegistry,
        metrics: PortMetrics,
        lag: Callable[[], float] = lambda: 0.0,
        limits: Limits | None = None,
        *,
        status: StatusPages | None = None,
    ) -> None:
        listener = _listen(address)
        self.address = f"{address.rpartition(':')[0]}:{listener.getsockname()[1]}"
        self._registry = registry
        self._metrics = metrics
        self._lag = lag
        self._limits = limits or LIMITS
        self._status = status
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._next_warning = 0.0
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the listener and all connections; block until the thread has ended.

        Calling this again does nothing.
        """
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        with listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self._loop.set_exception_handler(self._log_error)
        limits = self._limits
        renderer = Renderer(self._registry, limits.render_share)
        pages = Pages(renderer, self._lag, limits, self._status)

        async def answer(request: web.BaseRequest) -> web.Response:
            connection = connections.of(request.protocol)
            if connection:
                connection.request_received()
            response = await pages.answer(request)
            # One request per connection, so that no connection stays open between scrapes.
            response.force_close()
            if connection:
                connection.response_written()
            return response

        http = web.Server(
            answer,
            access_log=None,
            logger=http_log,
            auto_decompress=False,
            # `ScrapeConnections` limits the whole lifetime, not only the time between requests.
            keepalive_timeout=0,
            lingering_time=LINGER_SECONDS,
            max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
            max_headers=limits.headers,
        )
        connections = ScrapeConnections(http, limits, self._metrics)
        server = await self._loop.create_server(connections, sock=listener)
        await self._stopping.wait()
        # `Server.close` alone leaks accepted connections whose `connection_made` has not been
        # called. asyncio calls it two iterations of its loop after it accepts a connection.
        self._loop.remove_reader(listener)
        for _ in range(2):
            await asyncio.sleep(0)
        server.close()
        await connections.close()
        renderer.close()

    def _log_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in RESOURCE_ERRORS):
            logs.log_loop_error(loop, context)
        elif loop.time() >= self._next_warning:
            # asyncio retries, and fails again, once a second.
            self._next_warning = loop.time() + WARNING_SECONDS
            name = errno.errorcode[error.errno]
            log.warning("metrics port accepts no connection", extra={"error": name})


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    name = host.strip("[]")
    try:
        found = socket.getaddrinfo(
            name, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError as error:
        # Not a host name: a label is empty or too long.
        raise OSError(str(error)) from error
    family = found[0][0]
    # [::] accepts IPv4 connections too, as is the default on Linux.
    return socket.create_server(
        (name, int(port)), family=family, dualstack_ipv6=family is socket.AF_INET6
    )
