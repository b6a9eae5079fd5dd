"""grpc.health.v1: whether this process can answer."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from tokenwire.servicer import SERVICE

SERVICES: Final = ("", SERVICE)


class HealthServicer(aio.HealthServicer):
    """Health of the process ("") and of our service.

    Beyond the original, `end_watches` lets the server stop while clients watch.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ending = asyncio.Event()

    async def report(self, status: int) -> None:
        """Report a HealthCheckResponse.ServingStatus for the process and for our service."""
        for service in SERVICES:
            await self.set(service, status)

    async def Watch(  # noqa: N802 - the contract's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> None:
        """Stream the health of a service until the caller leaves or the server stops."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((watch, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watch, ending):
                task.cancel()
            await asyncio.gather(watch, ending, return_exceptions=True)

    def end_watches(self) -> None:
        """End all Watch calls: an idle one would hold the server's stop to its full grace."""
        self._ending.set()
