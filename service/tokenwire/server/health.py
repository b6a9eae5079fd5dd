"""grpc.health.v1: whether this process can answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.server.open_calls import OpenCalls

_messages: Any = health_pb2
"""For those that its published types lack."""

MAX_WATCHES: Final = 4_000
"""Open at once, at 27 kB each. A client that checks health has one for each connection."""
MAX_REQUEST_BYTES: Final = 1_024
"""Far more than a service has of a name. gRPC holds the request of a Watch until its end."""

Context: TypeAlias = (
    "grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"
)


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Health of the process ("") and of its services, which is the same.

    grpc_health's own servicer holds a lock while it writes to a watcher, so that
    one who does not read keeps the status from changing.

    Args:
        services: Full names of the services.
        on_watches: Told the number of Watch calls when it changes.
        on_call: Told the caller's address when a call begins.
    """

    def __init__(
        self,
        services: Iterable[str],
        on_watches: Callable[[int], None],
        on_call: Callable[[str], None],
    ) -> None:
        self._services = ("", *services)
        self._watches = OpenCalls(MAX_WATCHES, on_watches)
        self._on_call = on_call
        self._status: int = health_pb2.HealthCheckResponse.NOT_SERVING
        self._changed = asyncio.Event()

    def report(self, status: int) -> None:
        """Report a HealthCheckResponse.ServingStatus from now on, to all who watch too."""
        self._status = status
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Return the health of a service."""
        self._on_call(context.peer())
        await _check_size(request, context)
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self._status)

    async def Watch(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        """Stream the health of a service until the caller leaves or the server stops."""
        self._on_call(context.peer())
        await _check_size(request, context)
        async with (
            self._watches.one_more(context),
            aclosing(self._statuses(request.service)) as statuses,
        ):
            async for status in statuses:
                yield status

    async def List(  # noqa: N802 - the contract's name
        self, request: Message, context: Context
    ) -> Message:
        """Return the health of every service."""
        del request, context
        status = health_pb2.HealthCheckResponse(status=self._status)
        response: Message = _messages.HealthListResponse(
            statuses=dict.fromkeys(self._services, status)
        )
        return response

    async def _statuses(self, service: str) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        if service not in self._services:
            unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            yield health_pb2.HealthCheckResponse(status=unknown)
            await asyncio.Event().wait()
        while True:
            changed = self._changed
            yield health_pb2.HealthCheckResponse(status=self._status)
            await changed.wait()


async def _check_size(request: health_pb2.HealthCheckRequest, context: Context) -> None:
    if request.ByteSize() > MAX_REQUEST_BYTES:
        details = f"A request of health must be at most {MAX_REQUEST_BYTES} bytes."
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
