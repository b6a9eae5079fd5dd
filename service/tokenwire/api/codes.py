"""The gRPC status code of each failure."""

from collections.abc import Iterator
from typing import Final

from grpc import StatusCode

from tokenwire.core import errors
from tokenwire.core.errors import ServiceError

CODES: Final[dict[type[ServiceError], StatusCode]] = {
    errors.MalformedRequest: StatusCode.INVALID_ARGUMENT,
    errors.RequestTimeout: StatusCode.RESOURCE_EXHAUSTED,
    errors.EmptyPrompt: StatusCode.INVALID_ARGUMENT,
    errors.InvalidParameter: StatusCode.INVALID_ARGUMENT,
    errors.UnknownModel: StatusCode.INVALID_ARGUMENT,
    errors.UnsupportedByModel: StatusCode.INVALID_ARGUMENT,
    errors.ModelNotAllowed: StatusCode.PERMISSION_DENIED,
    errors.CredentialsMissing: StatusCode.UNAUTHENTICATED,
    errors.CredentialsInvalid: StatusCode.UNAUTHENTICATED,
    errors.CredentialsExpired: StatusCode.UNAUTHENTICATED,
    errors.PromptTooLong: StatusCode.INVALID_ARGUMENT,
    errors.PromptRejected: StatusCode.INVALID_ARGUMENT,
    errors.CallerRateLimited: StatusCode.RESOURCE_EXHAUSTED,
    errors.CallerTooManyStreams: StatusCode.RESOURCE_EXHAUSTED,
    errors.CallerBudgetExhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.LimitsUnavailable: StatusCode.UNAVAILABLE,
    errors.UpstreamError: StatusCode.UNAVAILABLE,
    errors.UpstreamUnreachable: StatusCode.UNAVAILABLE,
    errors.UpstreamTimeout: StatusCode.UNAVAILABLE,
    errors.UpstreamConflict: StatusCode.UNAVAILABLE,
    errors.UpstreamIdleTimeout: StatusCode.UNAVAILABLE,
    errors.StreamDurationLimit: StatusCode.UNAVAILABLE,
    errors.UpstreamStreamBroken: StatusCode.UNAVAILABLE,
    errors.UpstreamTruncated: StatusCode.UNAVAILABLE,
    errors.UpstreamRateLimited: StatusCode.RESOURCE_EXHAUSTED,
    errors.UpstreamQuotaExhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.UpstreamRejectedRequest: StatusCode.INTERNAL,
    errors.UpstreamAuthRejected: StatusCode.FAILED_PRECONDITION,
    errors.UpstreamModelNotFound: StatusCode.FAILED_PRECONDITION,
    errors.UpstreamProtocolError: StatusCode.INTERNAL,
    errors.UpstreamEventTooLarge: StatusCode.INTERNAL,
    errors.UpstreamResponseTooLarge: StatusCode.INTERNAL,
    errors.UpstreamToolCallInvalid: StatusCode.INTERNAL,
    errors.ContentFiltered: StatusCode.FAILED_PRECONDITION,
    errors.ServerOverloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.SlowConsumer: StatusCode.RESOURCE_EXHAUSTED,
    errors.ServerShuttingDown: StatusCode.UNAVAILABLE,
    errors.ServerResourcesExhausted: StatusCode.UNAVAILABLE,
    errors.IssuerUnavailable: StatusCode.UNAVAILABLE,
    errors.InternalError: StatusCode.INTERNAL,
}
"""The codes that apply before the model has begun to answer; see `code_of`."""


def code_of(kind: type[ServiceError], *, begun: bool = False) -> StatusCode:
    """Return the status code of a failure.

    Clients may retry UNAVAILABLE automatically. After the model has begun to answer, a retry would
    repeat the answer and pay for it twice, so the code is ABORTED instead.

    Args:
        kind: The failure.
        begun: Whether an Answer was sent, or anything was received from the model.
    """
    code = CODES[kind]
    if begun and code is StatusCode.UNAVAILABLE:
        return StatusCode.ABORTED
    return code


def failure_outcomes() -> Iterator[tuple[str, str]]:
    """Yield every pair of status code name and reason with which a call can fail."""
    for code in (StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED):
        yield code.name, code.name
    for kind in CODES:
        for code in dict.fromkeys((code_of(kind), code_of(kind, begun=True))):
            yield code.name, kind.reason
