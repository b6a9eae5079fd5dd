"""What surrounds the handling of a call, written once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord

# Quoted because grpc's classes are generic only to the type checker.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Proceed: TypeAlias = Callable[[CallRecord, Any, Context], Awaitable[None]]
"""Handles a request of a call and writes the answer to the context. Outside of parsing the
request is bytes, or the ServiceError that there is in its place."""


class Interceptor(Protocol):
    """Surrounds each call of the endpoints; health and reflection have none."""

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` inside of this interceptor, for the calls of one endpoint."""
        ...
