"""What lies between gRPC and every method: the request message, and the end of the server.

grpc.aio reads the one message of a request before it calls the handler, for as long
as the caller likes, and gives a call without a message no status at all. So it is
told that every method takes a stream of messages, which is the same on the wire, and
the message is read here.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from tokenwire.core.call_deadline import Watchdog
from tokenwire.core.errors import (
    MalformedRequest,
    RequestTimeout,
    ServerShuttingDown,
    ServiceError,
    SlowConsumer,
)
from tokenwire.server.bounded_tasks import BoundedTasks, Tasks
from tokenwire.server.interceptors.base import (
    Behaviour,
    Context,
    Handler,
    HandlerWrapper,
    is_ours,
    let_go,
)
from tokenwire.server.undelivered import UndeliveredStatuses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

Stream: TypeAlias = "Callable[[Any, Context], AsyncGenerator[object]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[object]]"

LEAVING_SECONDS: Final = 0.5
"""When a caller leaves, gRPC ends the messages of the call a moment before it cancels the task."""


class EdgeInterceptor(HandlerWrapper):
    """Reads the request's message within a time limit, and ends what is no answer at the stop.

    What goes wrong in that is, for a method of our service, handed to the chain in place
    of the request; for others it becomes a status here.

    Args:
        request_seconds: The longest that a message may take to come.
        most_requests: The most calls that may wait for theirs at once.
        reader_seconds: The longest that a caller of other services may take nothing.
        undelivered: Told of handlers that have only to send what is left.
    """

    def __init__(
        self,
        request_seconds: float,
        most_requests: int,
        reader_seconds: float,
        undelivered: UndeliveredStatuses,
    ) -> None:
        super().__init__()
        self._reader_seconds = reader_seconds
        self._undelivered = undelivered
        self._waiting = BoundedTasks(request_seconds, most_requests, self._end)
        self._ended: set[asyncio.Task[object]] = set()
        self._stopping = False
        self._others: set[Watchdog] = set()

    @property
    def waiting(self) -> int:
        """How many calls wait for their message."""
        return len(self._waiting)

    def end_all(self) -> None:
        """End every call that is not an answer, running or yet to come."""
        self._stopping = True
        self._waiting.take_all()
        for watchdog in tuple(self._others):
            watchdog.interrupt(ServerShuttingDown)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return a handler that takes a stream of messages."""
        known: Any = handler
        make: Any = grpc.stream_stream_rpc_method_handler
        behaviour: Any
        if is_ours(method):
            behaviour = self._ours(known.unary_stream)
        elif known.unary_unary:
            make = grpc.stream_unary_rpc_method_handler
            behaviour = self._unary(known.unary_unary)
        else:
            reads = not known.request_streaming
            stream = known.unary_stream if reads else known.stream_stream
            behaviour = self._stream(stream, reads=reads)
        wrapped: Handler = make(behaviour, known.request_deserializer, known.response_serializer)
        return wrapped

    def _ours(self, proceed: Behaviour) -> Behaviour:
        async def behaviour(_: object, context: Context) -> None:
            request: object
            try:
                request = await self._read(context)
            except ServiceError as error:
                request = error
            await proceed(request, context)

        return behaviour

    def _unary(self, proceed: Unary) -> Unary:
        async def behaviour(_: object, context: Context) -> object:
            async with self._ending_with_status(context):
                request = await self._read(context)
                return await proceed(request, context)

        return behaviour

    def _stream(self, proceed: Stream, *, reads: bool) -> Behaviour:
        async def behaviour(_: object, context: Context) -> None:
            async with self._ending_with_status(context):
                request = await self._read(context) if reads else _requests(context)
                async with (
                    self._until_the_stop() as watchdog,
                    aclosing(proceed(request, context)) as answers,
                ):
                    async for answer in answers:
                        watchdog.expect_write(self._reader_seconds, SlowConsumer)
                        await context.write(answer)
                        watchdog.expect(math.inf, SlowConsumer)

        return behaviour

    @asynccontextmanager
    async def _ending_with_status(self, context: Context) -> AsyncIterator[None]:
        try:
            yield
        except ServiceError as error:
            await context.abort(error.code, error.text)
        except grpc.aio.InternalError:
            # The caller has left, which fails a write before gRPC cancels the task.
            raise asyncio.CancelledError from None
        self._undelivered.watch()

    @asynccontextmanager
    async def _until_the_stop(self) -> AsyncIterator[Watchdog]:
        """End a stream, as one that has come to its end, when the server stops."""
        if self._stopping:
            raise ServerShuttingDown
        watchdog = Watchdog()
        self._others.add(watchdog)
        failure: ServiceError | None = None
        try:
            with watchdog:
                yield watchdog
        except ServiceError as error:
            failure = error
            let_go(failure)
        finally:
            self._others.discard(watchdog)
        if watchdog.writing:
            # gRPC sends no status while a write is under way.
            await self._undelivered.give_up()
        if failure and not isinstance(failure, ServerShuttingDown):
            raise failure

    async def _read(self, context: Context) -> object:
        """Return the request's first message; what the caller sends after it is not read.

        Raises:
            MalformedRequest: There is no message, or it does not parse.
            RequestTimeout: The request did not come in time.
            ServerShuttingDown: The server stopped first.
        """
        if self._stopping:
            raise ServerShuttingDown
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._waiting.add(task)
        try:
            message = await context.read()
            if message is grpc.aio.EOF:
                await asyncio.sleep(LEAVING_SECONDS)
                raise MalformedRequest
        except DecodeError:
            raise MalformedRequest from None
        except asyncio.CancelledError:
            if task in self._ended and not task.uncancel():
                raise (ServerShuttingDown if self._stopping else RequestTimeout) from None
            raise
        finally:
            self._ended.discard(task)
            self._waiting.discard(task)
        return message

    def _end(self, tasks: Tasks) -> None:
        for task in tasks:
            self._ended.add(task)
            task.cancel()


async def _requests(context: Context) -> AsyncGenerator[object]:
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
