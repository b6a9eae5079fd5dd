"""The Prometheus endpoint: /metrics over HTTP, on a thread of its own."""

import socket
import threading
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

POLL_SECONDS: Final = 0.05
"""How long `stop` waits at most; the standard library's default is ten times that."""


class MetricsServer:
    """Serves a registry until stopped.

    Args:
        address: HOST:PORT; port 0 takes any free one.
        registry: What is served.

    Attributes:
        address: Where it listens, with the port that it got.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        host, _, port = address.rpartition(":")
        kind = _IPv6Server if ":" in host else ThreadingWSGIServer
        self._server = make_server(
            host.strip("[]"), int(port), make_wsgi_app(registry), kind, _QuietHandler
        )
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the listener; blocks until its thread has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _IPv6Server(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: every scrape would be a line."""
