"""Implements xds.service.orca.v3.OpenRcaService, which streams load reports to clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.duration_pb2 import Duration

from tokenwire.server.load_meter import LoadMeter
from tokenwire.server.open_calls import OpenCalls
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport
from tokenwire.xds.orca_service_pb2 import DESCRIPTOR, OrcaLoadReportRequest

SERVICE: Final = DESCRIPTOR.services_by_name["OpenRcaService"].full_name
METHOD: Final = "StreamCoreMetrics"

MAX_STREAMS: Final = 1_000
"""The most open streams. A client opens one per connection."""
MIN_INTERVAL_SECONDS: Final = 1.0
MAX_INTERVAL_SECONDS: Final = 3_600.0
MAX_REQUEST_BYTES: Final = 1_024
"""Longer than a request with a few names of costs, which are not reported. gRPC holds the request
until the call ends."""

Context: TypeAlias = "grpc.aio.ServicerContext[OrcaLoadReportRequest, OrcaLoadReport]"


class LoadReportServicer:
    """Streams the load of this process.

    Args:
        meter: Measures the load.
        on_streams: Called with the number of open streams when it changes.
    """

    def __init__(self, meter: LoadMeter, on_streams: Callable[[int], None]) -> None:
        self._meter = meter
        self._streams = OpenCalls(MAX_STREAMS, on_streams)

    def register(self, server: grpc.aio.Server) -> None:
        """Register the service with a server."""
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_stream_rpc_method_handler(
            self.StreamCoreMetrics,
            request_deserializer=OrcaLoadReportRequest.FromString,
            response_serializer=OrcaLoadReport.SerializeToString,
        )
        server.add_registered_method_handlers(SERVICE, {METHOD: handler})

    async def StreamCoreMetrics(  # noqa: N802 - the contract's name
        self, request: OrcaLoadReportRequest, context: Context
    ) -> AsyncGenerator[OrcaLoadReport]:
        """Send a report at once and then one in each interval, until the server stops."""
        if request.ByteSize() > MAX_REQUEST_BYTES:
            details = f"A request for load reports must be at most {MAX_REQUEST_BYTES} bytes."
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        seconds = interval_seconds(request.report_interval)
        async with self._streams.count(context):
            while True:
                yield self._meter.report()
                await asyncio.sleep(seconds)


def interval_seconds(asked: Duration) -> float:
    """Return the time between two reports, in seconds, for the interval that a client asks for."""
    seconds = asked.seconds + asked.nanos / 1e9
    return min(max(seconds, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
