"""`grpc-retry-pushback-ms` says to gRPC's retry policies what the details say to programs."""

from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tokenwire.api.codes import CODES
from tokenwire.api.status import FixedStatus, extra_trailers, to_status
from tokenwire.core import errors
from tokenwire.core.errors import ServiceError

PUSHBACK = "grpc-retry-pushback-ms"
RETRIED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


def made(kind: type[ServiceError], retry_after: float | None) -> ServiceError:
    """Return a failure of a kind, with a time to wait."""
    arguments: tuple[Any, ...] = ()
    if issubclass(kind, errors.LimitReached):
        arguments = ("tokens/m",)
    elif kind in {errors.InvalidParameter, errors.UnsupportedByModel}:
        arguments = ("params.seed", "must be absent")
    error = kind(*arguments)
    error.retry_after = retry_after
    return error


def retry_info_of(error: ServiceError) -> duration_pb2.Duration | None:
    """Return the delay of the RetryInfo in the status of a failure."""
    [(_, details)] = to_status(error, CODES[type(error)], "an-id").trailing_metadata or ()
    assert isinstance(details, bytes)
    info = error_details_pb2.RetryInfo()
    found = any(detail.Unpack(info) for detail in status_pb2.Status.FromString(details).details)
    return info.retry_delay if found else None


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_retry_info_has_its_pushback(kind: type[ServiceError]) -> None:
    """With RetryInfo the trailer has the same time, or -1 where no retry helps."""
    error = made(kind, retry_after=1.5)
    delay = retry_info_of(error)
    assert delay
    assert delay.ToMilliseconds() == 1500
    final = not kind.retryable and CODES[kind] in RETRIED
    assert extra_trailers(error) == ((PUSHBACK, "-1" if final else "1500"),)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_what_no_retry_helps_is_not_retried(kind: type[ServiceError]) -> None:
    """A code that policies retry has -1 where the same call fails again, and else no pushback."""
    error = made(kind, retry_after=None)
    assert retry_info_of(error) is None
    # The limit of the caller is too small for the call, whenever it comes.
    final = not kind.retryable or issubclass(kind, errors.LimitReached)
    expected = ((PUSHBACK, "-1"),) if final and CODES[kind] in RETRIED else ()
    assert extra_trailers(error) == expected


@pytest.mark.parametrize("retry_after", [None, 0.5])
def test_a_status_made_in_advance_has_the_same_pushback(retry_after: float | None) -> None:
    """The fixed status of an overload has the trailers of any other one."""
    error = errors.ServerOverloaded(retry_after=retry_after)
    _, (_, *extra) = FixedStatus(error).for_call("an-id")
    assert tuple(extra) == extra_trailers(error)
