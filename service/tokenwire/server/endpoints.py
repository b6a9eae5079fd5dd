"""Serves the table of methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.server.entry import Entry
from tokenwire.server.interceptors.base import Interceptor, Proceed
from tokenwire.server.relay import Relay


def serve_endpoints(
    server: grpc.aio.Server,
    endpoints: Iterable[Endpoint],
    entry: Entry,
    interceptors: Sequence[Interceptor],
    relay: Relay,
) -> None:
    """Register a handler for each endpoint.

    Args:
        server: Gets the handlers.
        endpoints: The table of methods.
        entry: Where their calls enter.
        interceptors: What surrounds them, the outermost first.
        relay: Runs the endpoints themselves.
    """
    for endpoint in endpoints:
        chain: Proceed = relay.innermost(endpoint)
        for interceptor in reversed(interceptors):
            chain = interceptor.wrap(endpoint, chain)
        method = endpoint.method
        handlers = {method.name: entry.handler(endpoint, chain)}
        server.add_registered_method_handlers(method.service, handlers)
