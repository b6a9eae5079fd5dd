"""From a ServiceError to the gRPC status that the caller gets."""

from collections.abc import Iterator
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tokenwire.errors import DOMAIN, InvalidField, ServiceError, UpstreamQuotaExhausted

PUSHBACK: Final = "grpc-retry-pushback-ms"
"""Tells gRPC's own retry policy when to come back, or with -1 to stop (gRFC A6)."""
MOST_PUSHBACK_MS: Final = 2**31 - 1
"""What Java's client can read; for it, anything longer says to stop."""


def to_status(error: ServiceError, code: grpc.StatusCode, request_id: str) -> grpc.Status:
    """Return the status with its details packed into the trailing metadata."""
    details = []
    for detail in _details(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    number: int = code.value[0]
    message = f"{error.text} Request id: {request_id}."
    return rpc_status.to_status(status_pb2.Status(code=number, message=message, details=details))


def extra_trailers(error: ServiceError) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata that `error` needs beside its details."""
    if isinstance(error, UpstreamQuotaExhausted):
        return ((PUSHBACK, "-1"),)
    if error.retry_after is not None:
        return ((PUSHBACK, str(min(_milliseconds(error.retry_after), MOST_PUSHBACK_MS))),)
    return ()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _details(error: ServiceError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(_milliseconds(error.retry_after))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if isinstance(error, InvalidField):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.description, reason=error.reason
        )
        yield error_details_pb2.BadRequest(field_violations=[violation])
