"""The interface of interceptors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeAlias

import grpc

from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord

# Quoted because grpc's classes are generic only to the type checker.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
CallHandler: TypeAlias = Callable[[CallRecord, Any, Context], Awaitable[None]]
"""Handles a call: takes its record, the request and the context, and writes the response to the
context. Outside of ParsingInterceptor the request is bytes, or the ServiceError with which reading
it failed."""


class Interceptor(Protocol):
    """Wraps the handling of each call of an endpoint. Health and reflection bypass interceptors."""

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler for `endpoint` that runs `next_handler` inside this interceptor."""
        ...
