"""Calls of any method, and what the caller reads of their failures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from protocols.drivers.base import ProtocolMethod, Wanted
from support.helpers import details_of, pushback_of, reason_of, retry_delay_of, violated_fields_of
from support.limits import limit_of
from support.world import assert_clean

HELLO = Wanted()


@dataclass(frozen=True)
class CallResult:
    """How a call ended.

    Attributes:
        texts: The texts of the response's messages, without empty ones.
        finish: The finish reason; empty without one.
        error: The failure; None if the call succeeded.
    """

    texts: list[str]
    finish: str
    error: grpc.aio.AioRpcError | None

    @property
    def ending(self) -> tuple[str, str]:
        """The code and the reason; no reason if the code has none."""
        if self.error is None:
            return "OK", ""
        code = self.error.code().name
        has_reason = code not in {"CANCELLED", "DEADLINE_EXCEEDED"}
        return code, reason_of(self.error) if has_reason else ""


def begin(
    channel: grpc.aio.Channel, method: ProtocolMethod, wanted: Wanted = HELLO, **options: Any
) -> Any:
    """Start a call; `options` are gRPC's, such as `timeout`.

    On the wire a unary response is a stream of one message.
    """
    return send(channel, method, method.request(wanted), **options)


def send(channel: grpc.aio.Channel, method: ProtocolMethod, request: bytes, **options: Any) -> Any:
    """Start a call with a serialized request."""
    call: Any = channel.unary_stream(method.path)
    return call(request, **options)


async def result_of(method: ProtocolMethod, call: Any) -> CallResult:
    """Read a call to its end. Nothing of a failure has a canary."""
    texts, finish, error = [], "", None
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            texts.append(method.text_of(message))
            finish = method.finish_of(message) or finish
    except grpc.aio.AioRpcError as failure:
        error = failure
        assert_clean(error.details(), error.trailing_metadata(), error.initial_metadata())
    return CallResult([text for text in texts if text], finish, error)


async def call(
    channel: grpc.aio.Channel, method: ProtocolMethod, wanted: Wanted = HELLO, **options: Any
) -> CallResult:
    """Make a call and read it to its end."""
    return await result_of(method, begin(channel, method, wanted, **options))


NO_RETRY = frozenset(
    {
        *("UPSTREAM_QUOTA_EXHAUSTED", "CALLER_BUDGET_EXHAUSTED"),
        *("STREAM_DURATION_LIMIT", "REQUEST_TIMEOUT", "SLOW_CONSUMER"),
    }
)
"""The same call fails again."""


def assert_fails(  # noqa: PLR0913 - each detail by its own name
    method: ProtocolMethod,
    result: CallResult,
    ending: tuple[str, str],
    *,
    retry_after: float | None = None,
    fields: Iterable[str] = (),
    limit: str = "",
) -> None:
    """Assert that a call has failed in one way, and that its status has all details and no others.

    Args:
        method: The method that was called.
        result: How the call ended.
        ending: The code and the reason.
        retry_after: The seconds in RetryInfo; None if there is none.
        fields: The fields that BadRequest names.
        limit: The limit that QuotaFailure names.
    """
    assert result.ending == ending
    error = result.error
    assert error is not None
    assert (retry_delay_of(error), pushback_of(error)) == (
        retry_after,
        expected_pushback(method, ending, retry_after),
    )
    kinds = {"ErrorInfo": True, "RetryInfo": retry_after is not None}
    kinds |= {"BadRequest": bool(fields), "QuotaFailure": bool(limit)}
    found = [each.TypeName().rpartition(".")[2] for each in details_of(error).details]
    assert sorted(found) == sorted(kind for kind, present in kinds.items() if present)
    if fields:
        assert violated_fields_of(error) == list(fields)
    if limit:
        assert limit_of(error) == limit
    assert any(key == "x-request-id" for key, _ in error.trailing_metadata() or ())


def expected_pushback(
    method: ProtocolMethod, ending: tuple[str, str], retry_after: float | None
) -> str | None:
    """Return the trailer for gRPC's retry policy that docs/errors.md promises."""
    code, reason = ending
    if reason in NO_RETRY:
        return "-1"
    if retry_after is not None:
        return str(round(retry_after * 1_000))
    stops = method.clients_retry and code == "UNAVAILABLE" and reason != "SERVER_SHUTTING_DOWN"
    return "-1" if stops else None
