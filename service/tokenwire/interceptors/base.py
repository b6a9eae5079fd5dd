"""Wrapping a streaming handler, written once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from tokenwire.servicer import SERVICE

# Quoted where grpc's classes are generic only to the type checker.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[None]]
"""A handler that takes a request and writes its answers to the context."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


def is_ours(method: str) -> bool:
    """Tell calls of our service from health checks and reflection."""
    return method.startswith(f"/{SERVICE}/")


class Interceptor(grpc.aio.ServerInterceptor, ABC):
    """Runs around each call of our service; health and reflection pass untouched."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Wrap the method's handler; gRPC's side of `around`."""
        handler = await continuation(handler_call_details)
        if handler is None or not self.covers(handler, handler_call_details):
            return handler
        method = handler_call_details.method
        proceed: Behaviour = handler.unary_stream  # type: ignore[assignment] # typed as a generator

        async def behaviour(request: object, context: Context) -> None:
            await self.around(method, proceed, request, context)

        return grpc.unary_stream_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def covers(self, handler: Handler, details: grpc.HandlerCallDetails) -> bool:
        """Tell whether this call runs inside `around`."""
        return handler.unary_stream is not None and is_ours(details.method)

    @abstractmethod
    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Handle a call, normally by awaiting `proceed(request, context)`."""
