"""Serves health and reflection, whose calls bypass the interceptors and end on shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from tokenwire.api.codes import code_of
from tokenwire.api.status import to_status
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

Handler: TypeAlias = "Callable[[Any, Context], Awaitable[None]]"
Stream: TypeAlias = "Callable[[Any, Context], AsyncGenerator[object]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[object]]"


class AuxiliaryServices:
    """Registers handlers with time limits on requests and writes; ends their calls on shutdown.

    Pass it to the generated `add_..._to_server` functions in place of the server.

    Args:
        server: The server that receives the handlers.
        requests: Reads the request messages.
        reader_seconds: The longest time that a caller's connection may accept no data.
        undelivered: Watches handlers that have returned and whose status is not delivered.
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
        """Do nothing: the server takes registered methods only."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, RpcHandler]
    ) -> None:
        """Register the methods of a service."""
        wrapped = {name: self._wrap(handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)

    def end_all(self) -> None:
        """End every call."""
        for deadline in tuple(self._running):
            deadline.interrupt(ServerShuttingDown)

    def _wrap(self, handler: RpcHandler) -> RpcHandler:
        """Return `handler` as a handler that takes a stream of messages; see `request_reader`."""
        typed: Any = handler
        make: Any = grpc.stream_stream_rpc_method_handler
        behavior: Any
        if typed.unary_unary:
            make = grpc.stream_unary_rpc_method_handler
            behavior = self._unary(typed.unary_unary)
        else:
            reads = not typed.request_streaming
            stream = typed.unary_stream if reads else typed.stream_stream
            behavior = self._stream(stream, reads=reads)
        wrapped: RpcHandler = make(behavior, typed.request_deserializer, typed.response_serializer)
        return wrapped

    def _unary(self, handler: Unary) -> Unary:
        async def behavior(_: object, context: Context) -> object:
            async with self._abort_on_error(context):
                request = await self._requests.read(context)
                return await handler(request, context)

        return behavior

    def _stream(self, handler: Stream, *, reads: bool) -> Handler:
        async def behavior(_: object, context: Context) -> None:
            async with self._abort_on_error(context):
                request = await self._requests.read(context) if reads else _messages(context)
                async with (
                    self._until_stopped() as deadline,
                    aclosing(handler(request, context)) as answers,
                ):
                    async for answer in answers:
                        deadline.begin_write(self._reader_seconds)
                        await context.write(answer)
                        deadline.end_write()

        return behavior

    @asynccontextmanager
    async def _abort_on_error(self, context: Context) -> AsyncIterator[None]:
        try:
            yield
        except ServiceError as error:
            # Without the id of a request, which these calls do not have.
            status = to_status(error, code_of(type(error)), "")
            await context.abort(status.code, error.text, status.trailing_metadata or ())
        except grpc.aio.InternalError:
            # The caller has disconnected: the write fails before gRPC cancels the task.
            raise asyncio.CancelledError from None
        self._undelivered.watch()

    @asynccontextmanager
    async def _until_stopped(self) -> AsyncIterator[CallDeadline]:
        """Yield a deadline, and end the stream with status OK when the server stops."""
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
            # gRPC sends no status while a write is in progress.
            await self._undelivered.reset_current()
        if failure and not isinstance(failure, ServerShuttingDown):
            raise failure


async def _messages(context: Context) -> AsyncGenerator[object]:
    """Yield the caller's messages.

    gRPC's own iterator contains a reference cycle, which delays the release of the call.

    Raises:
        MalformedRequest: A message does not parse.
    """
    try:
        while (message := await context.read()) is not grpc.aio.EOF:
            yield message
    except DecodeError:
        raise MalformedRequest from None
