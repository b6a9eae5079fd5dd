"""Registers the method table with the gRPC server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.server.entry import Entry
from tokenwire.server.interceptors.base import CallHandler, Interceptor
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
        server: The server that receives the handlers.
        endpoints: The method table.
        entry: Makes the gRPC handlers.
        interceptors: The interceptor chain, outermost first.
        relay: Runs the endpoints at the end of the chain.
    """
    for endpoint in endpoints:
        chain: CallHandler = relay.endpoint_handler(endpoint)
        for interceptor in reversed(interceptors):
            chain = interceptor.wrap(endpoint, chain)
        method = endpoint.method
        handlers = {method.name: entry.handler(endpoint, chain)}
        server.add_registered_method_handlers(method.service, handlers)
