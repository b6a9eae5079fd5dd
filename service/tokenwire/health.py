"""grpc.health.v1: whether this process can answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.servicer import SERVICE

SERVICES: Final = ("", SERVICE)

Context: TypeAlias = (
    "grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"
)


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Health of the process ("") and of our service, which is the same.

    grpc_health's own servicer holds a lock while it writes to a watcher, so that
    one who does not read keeps the status from changing.
    """

    def __init__(self) -> None:
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
        if request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self._status)

    async def Watch(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncGenerator[health_pb2.HealthCheckResponse]:
        """Stream the health of a service until the caller leaves or the server stops."""
        del context
        if request.service not in SERVICES:
            unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            yield health_pb2.HealthCheckResponse(status=unknown)
            await asyncio.Event().wait()
        while True:
            changed = self._changed
            yield health_pb2.HealthCheckResponse(status=self._status)
            await changed.wait()
