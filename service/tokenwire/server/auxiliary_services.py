"""Health and reflection: services whose calls are no answers and end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from tokenwire.api.codes import code_of
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.errors import (
    MalformedRequest,
    ServerShuttingDown,
    ServiceError,
    clear_references,
)
from tokenwire.server.interceptors.base import Context, RpcHandler
from tokenwire.server.request_reader import RequestReader
from tokenwire.server.undelivered import UndeliveredStatuses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

Behaviour: TypeAlias = "Callable[[Any, Context], Awaitable[None]]"
Stream: TypeAlias = "Callable[[Any, Context], AsyncGenerator[object]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[object]]"


class AuxiliaryServices:
    """Serves handlers with the request's time limit, and ends their calls when the server stops.

    It takes handlers as a server does: give it to `add_..._to_server`.

    Args:
        server: Gets the handlers.
        requests: Reads the messages.
        reader_seconds: The longest that a caller may take nothing.
        undelivered: Told of handlers that have only to send what is left.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        requests: RequestReader,
        reader_seconds: float,
        undelivered: UndeliveredStatuses,
    ) -> None:
        self._server = server
        self._requests = requests
        self._reader_seconds = reader_seconds
        self._undelivered = undelivered
        self._running: set[CallDeadline] = set()

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Do nothing: methods are registered."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, RpcHandler]
    ) -> None:
        """Serve these methods of a service."""
        wrapped = {name: self._wrapped(handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)

    def end_all(self) -> None:
        """End every call."""
        for deadline in tuple(self._running):
            deadline.interrupt(ServerShuttingDown)

    def _wrapped(self, handler: RpcHandler) -> RpcHandler:
        """Return a handler that takes a stream of messages."""
        known: Any = handler
        make: Any = grpc.stream_stream_rpc_method_handler
        behaviour: Any
        if known.unary_unary:
            make = grpc.stream_unary_rpc_method_handler
            behaviour = self._unary(known.unary_unary)
        else:
            reads = not known.request_streaming
            stream = known.unary_stream if reads else known.stream_stream
            behaviour = self._stream(stream, reads=reads)
        wrapped: RpcHandler = make(behaviour, known.request_deserializer, known.response_serializer)
        return wrapped

    def _unary(self, proceed: Unary) -> Unary:
        async def behaviour(_: object, context: Context) -> object:
            async with self._ending_with_status(context):
                request = await self._requests.read(context)
                return await proceed(request, context)

        return behaviour

    def _stream(self, proceed: Stream, *, reads: bool) -> Behaviour:
        async def behaviour(_: object, context: Context) -> None:
            async with self._ending_with_status(context):
                request = await self._requests.read(context) if reads else _messages(context)
                async with (
                    self._until_the_stop() as deadline,
                    aclosing(proceed(request, context)) as answers,
                ):
                    async for answer in answers:
                        deadline.begin_write(self._reader_seconds)
                        await context.write(answer)
                        deadline.end_write()

        return behaviour

    @asynccontextmanager
    async def _ending_with_status(self, context: Context) -> AsyncIterator[None]:
        try:
            yield
        except ServiceError as error:
            await context.abort(code_of(type(error)), error.text)
        except grpc.aio.InternalError:
            # The caller has left, which fails a write before gRPC cancels the task.
            raise asyncio.CancelledError from None
        self._undelivered.watch()

    @asynccontextmanager
    async def _until_the_stop(self) -> AsyncIterator[CallDeadline]:
        """End a stream, as one that has come to its end, when the server stops."""
        if self._requests.stopping:
            raise ServerShuttingDown
        deadline = CallDeadline()
        self._running.add(deadline)
        failure: ServiceError | None = None
        try:
            with deadline:
                yield deadline
        except ServiceError as error:
            failure = error
            clear_references(failure)
        finally:
            self._running.discard(deadline)
        if deadline.writing:
            # gRPC sends no status while a write is under way.
            await self._undelivered.give_up()
        if failure and not isinstance(failure, ServerShuttingDown):
            raise failure


async def _messages(context: Context) -> AsyncGenerator[object]:
    """Yield the caller's messages.

    gRPC's own iterator over them refers to itself, which keeps the call from being given up.

    Raises:
        MalformedRequest: One of them does not parse.
    """
    try:
        while (message := await context.read()) is not grpc.aio.EOF:
            yield message
    except DecodeError:
        raise MalformedRequest from None
