"""From a ServiceError to the gRPC status that the caller gets."""

from collections.abc import Iterator
from typing import Final, TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tokenwire.api.codes import code_of
from tokenwire.core.errors import DOMAIN, InvalidField, ServiceError, UpstreamQuotaExhausted

PUSHBACK: Final = "grpc-retry-pushback-ms"
"""Tells gRPC's own retry policy when to come back, or with -1 to stop (gRFC A6)."""
MOST_PUSHBACK_MS: Final = 2**31 - 1
"""What Java's client can read; for it, anything longer says to stop."""

Trailers: TypeAlias = tuple[tuple[str, str | bytes], ...]


def to_status(error: ServiceError, code: grpc.StatusCode, request_id: str) -> grpc.Status:
    """Return the status with its details packed into the trailing metadata."""
    details = []
    for detail in _details(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    number: int = code.value[0]
    message = _text(error, request_id)
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


class FixedStatus:
    """The status of one failure, packed beforehand up to the request id.

    Args:
        error: The failure.
    """

    def __init__(self, error: ServiceError) -> None:
        self.code = code_of(type(error))
        number: int = self.code.value[0]
        packed = to_status(error, self.code, "").trailing_metadata or ()
        [(self._key, details)] = packed
        assert isinstance(details, bytes)  # noqa: S101 - the key ends in -bin
        whole = status_pb2.Status.FromString(details)
        # A message is the same as its fields one after the other.
        self._before = status_pb2.Status(code=number).SerializeToString()
        self._after = status_pb2.Status(details=whole.details).SerializeToString()
        self._error = error
        self._others = extra_trailers(error)

    def of_call(self, request_id: str) -> tuple[str, Trailers]:
        """Return the text and the trailing metadata, as `to_status` and `extra_trailers` do."""
        text = _text(self._error, request_id)
        message = status_pb2.Status(message=text).SerializeToString()
        return text, ((self._key, self._before + message + self._after), *self._others)


def _text(error: ServiceError, request_id: str) -> str:
    return f"{error.text} Request id: {request_id}."


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
