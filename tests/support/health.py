"""The health service for tests."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_of(channel: grpc.aio.Channel) -> Any:
    """Return the health stub, whose methods its type stubs lack."""
    return health_pb2_grpc.HealthStub(channel)
