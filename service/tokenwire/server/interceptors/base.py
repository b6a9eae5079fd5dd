"""Wrapping a streaming handler, written once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import grpc

from tokenwire.core.errors import ServiceError
from tokenwire.server.relay import SERVICE

# Quoted where grpc's classes are generic only to the type checker.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[None]]
"""A handler that takes a request and writes its answers to the context."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


def is_ours(method: str) -> bool:
    """Tell calls of our service from health checks and reflection."""
    return method.startswith(f"/{SERVICE}/")


def let_go(failure: ServiceError) -> None:
    """Free what a failure came from, such as a large event, without the garbage collector.

    gRPC keeps what ended a call in a cycle with the frames that it went through.
    """
    failure.__traceback__ = failure.__context__ = failure.__cause__ = None


class HandlerWrapper(grpc.aio.ServerInterceptor, ABC):
    """Wraps the handler of each method once; gRPC asks for it with each call."""

    def __init__(self) -> None:
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the wrapped handler; gRPC's side of `wrap`."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        known, wrapped = self._wrapped.get(method, (None, None))
        # Of a method that does not exist there is neither.
        if handler is not known and handler is not None:
            wrapped = self.wrap(method, handler)
            self._wrapped[method] = handler, wrapped
        return wrapped

    @abstractmethod
    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return the handler that gRPC shall call in place of `handler`."""


class Interceptor(HandlerWrapper):
    """Runs around each call of our service; health and reflection pass untouched."""

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return a handler that runs `handler` inside `around`."""
        if handler.unary_stream is None or not is_ours(method):
            return handler
        proceed: Behaviour = handler.unary_stream  # type: ignore[assignment] # typed as a generator
        return grpc.unary_stream_rpc_method_handler(
            partial(self.around, method, proceed),
            request_deserializer=self.deserializer(handler),
            response_serializer=handler.response_serializer,
        )

    def deserializer(self, handler: Handler) -> Callable[[bytes], Any] | None:
        """Return what gRPC parses the request with."""
        return handler.request_deserializer

    @abstractmethod
    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Handle a call, normally by awaiting `proceed(request, context)`."""
