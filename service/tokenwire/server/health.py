"""Implements grpc.health.v1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.server.open_calls import OpenCalls

_messages: Any = health_pb2
"""Untyped, because the type stubs lack the messages of `List`."""

MODELS: Final = "models/"
"""The prefix of the names of models as services."""
MAX_WATCHES: Final = 4_000
"""The most open Watch calls, at 27 kB each. A client with health checking opens one per
connection."""
MAX_REQUEST_BYTES: Final = 1_024
"""Longer than any service name. gRPC holds the request of a Watch until the call ends."""

Context: TypeAlias = (
    "grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"
)


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Reports one health status for the process ("") and for each of its services.

    grpc_health's own servicer holds a lock while it writes to a watcher, so one watcher that
    does not read blocks every change of the status.

    Args:
        services: The full names of the services.
        on_watches: Called with the number of open Watch calls when it changes.
        on_call: Called with the caller's address when a call begins.
    """

    def __init__(
        self,
        services: Iterable[str],
        on_watches: Callable[[int], None],
        on_call: Callable[[str], None],
    ) -> None:
        self._services = ("", *services)
        self._models: dict[str, Callable[[], bool]] = {}
        self._watches = OpenCalls(MAX_WATCHES, on_watches)
        self._on_call = on_call
        self._status: int = health_pb2.HealthCheckResponse.NOT_SERVING
        self._changed = asyncio.Event()

    @property
    def serving(self) -> bool:
        """Whether the status is SERVING."""
        return self._status == health_pb2.HealthCheckResponse.SERVING

    def set_status(self, status: int) -> None:
        """Set the HealthCheckResponse.ServingStatus, and send it to all watchers."""
        self._status = status
        self.refresh()

    def set_models(self, models: Mapping[str, Callable[[], bool]]) -> None:
        """Set the models that have a health of their own; the service of NAME is `models/NAME`.

        Args:
            models: Whether each model is served, by name.
        """
        self._models = {f"{MODELS}{name}": serving for name, serving in models.items()}
        self.refresh()

    def refresh(self) -> None:
        """Send the health of models that has changed to their watchers."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _status_of(self, service: str) -> int | None:
        """Return the status of a service, or None if there is none of this name."""
        if service in self._services:
            return self._status
        serving = self._models.get(service)
        if serving is None:
            return None
        return self._status if serving() else health_pb2.HealthCheckResponse.NOT_SERVING

    async def Check(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Return the health of a service."""
        self._on_call(context.peer())
        await _check_size(request, context)
        status = self._status_of(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        """Stream the health of a service until the caller disconnects or the server stops."""
        self._on_call(context.peer())
        await _check_size(request, context)
        async with (
            self._watches.count(context),
            aclosing(self._statuses(request.service)) as statuses,
        ):
            async for status in statuses:
                yield status

    async def List(  # noqa: N802 - the contract's name
        self, request: Message, context: Context
    ) -> Message:
        """Return the health of every service."""
        del request, context
        response: Message = _messages.HealthListResponse(
            statuses={
                service: health_pb2.HealthCheckResponse(status=self._status_of(service))
                for service in (*self._services, *self._models)
            }
        )
        return response

    async def _statuses(self, service: str) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        sent = None
        while True:
            changed, status = self._changed, self._status_of(service)
            if status is None:
                # The service may come later: a model by a reload of the gateway file.
                status = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            if status != sent:
                sent = status
                yield health_pb2.HealthCheckResponse(status=status)
            else:
                await changed.wait()


async def _check_size(request: health_pb2.HealthCheckRequest, context: Context) -> None:
    if request.ByteSize() > MAX_REQUEST_BYTES:
        details = f"A health request must be at most {MAX_REQUEST_BYTES} bytes."
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
