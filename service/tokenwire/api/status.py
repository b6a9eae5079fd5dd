"""Converts a ServiceError to the gRPC status that the caller receives."""

from collections.abc import Iterator
from typing import Final, TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tokenwire.api.codes import code_of
from tokenwire.core.errors import (
    DOMAIN,
    InvalidField,
    LimitReached,
    ServerShuttingDown,
    ServiceError,
)

PUSHBACK: Final = "grpc-retry-pushback-ms"
"""Milliseconds after which gRPC's retry policy may retry; -1 disables the retry (gRFC A6)."""
MAX_PUSHBACK_MS: Final = 2**31 - 1
"""The largest value that gRPC Java parses. It does not retry on a larger one."""
QUOTA_SUBJECT: Final = "caller"
"""The subject of a QuotaFailure; its description is the name of the limit."""
RETRIED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
"""The codes that callers let gRPC retry."""

Trailers: TypeAlias = tuple[tuple[str, str | bytes], ...]


def to_status(error: ServiceError, code: grpc.StatusCode, request_id: str) -> grpc.Status:
    """Return the status, whose trailing metadata contains the packed details."""
    details = []
    for detail in _details(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    number: int = code.value[0]
    message = _text(error, request_id)
    return rpc_status.to_status(status_pb2.Status(code=number, message=message, details=details))


def extra_trailers(error: ServiceError) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata of `error` other than its details."""
    if _never_succeeds(error):
        return ((PUSHBACK, "-1"),)
    if error.retry_after is not None:
        return ((PUSHBACK, str(min(_milliseconds(error.retry_after), MAX_PUSHBACK_MS))),)
    return ()


def without_retry(error: ServiceError) -> tuple[tuple[str, str], ...]:
    """Return trailing metadata that keeps clients from repeating a call that failed with `error`.

    The service has repeated the upstream request itself, as far as its budget allows. If it shuts
    down there is none: another instance may answer.
    """
    return () if isinstance(error, ServerShuttingDown) else ((PUSHBACK, "-1"),)


def _never_succeeds(error: ServiceError) -> bool:
    """Return whether a retry does not help, although the code of `error` allows one."""
    if isinstance(error, LimitReached) and error.retry_after is None:
        return True
    return not error.retryable and code_of(type(error)) in RETRIED


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class FixedStatus:
    """The status of one failure, serialized in advance except for the request id.

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
        # A serialized message is the concatenation of its serialized fields.
        self._prefix = status_pb2.Status(code=number).SerializeToString()
        self._suffix = status_pb2.Status(details=whole.details).SerializeToString()
        self._error = error
        self._extra_trailers = extra_trailers(error)

    def for_call(self, request_id: str) -> tuple[str, Trailers]:
        """Return the status text and the trailing metadata for a call.

        They equal the results of `to_status` and `extra_trailers`.
        """
        text = _text(self._error, request_id)
        message = status_pb2.Status(message=text).SerializeToString()
        return text, ((self._key, self._prefix + message + self._suffix), *self._extra_trailers)


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
    if isinstance(error, LimitReached):
        quota = error_details_pb2.QuotaFailure.Violation(
            subject=QUOTA_SUBJECT, description=error.limit
        )
        yield error_details_pb2.QuotaFailure(violations=[quota])
