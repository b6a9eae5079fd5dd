"""The failures that a caller can see, each with its reason and its status text.

The text is fixed and never contains data from a caller or an upstream. docs/errors.md
describes each failure.
"""

from typing import ClassVar, Literal, TypeAlias

DOMAIN = "tokenwire"
"""The domain of google.rpc.ErrorInfo in every failed call's status details."""

Party: TypeAlias = Literal["caller", "upstream", "service"]


class ServiceError(Exception):
    """The base class of all failures that callers see.

    Attributes:
        reason: The `reason` of google.rpc.ErrorInfo.
        text: The status text.
        retryable: Whether the same call may succeed later.
        blame: Who must act: the caller, the upstream or this service.
        retry_after: Seconds to wait before a retry; None if unknown.
    """

    reason: ClassVar[str]
    text: ClassVar[str]
    retryable: ClassVar[bool] = False
    blame: ClassVar[Party] = "service"

    def __init__(self, *, retry_after: float | None = None) -> None:
        super().__init__(self.text)
        self.retry_after = retry_after


# --- The caller's request -----------------------------------------------------


class CallerError(ServiceError):
    """The request is at fault; the same request fails again."""

    blame = "caller"


class MalformedRequest(CallerError):
    """The request does not parse, contains invalid UTF-8 or has no message."""

    reason = "MALFORMED_REQUEST"
    text = "The request is not one valid message of the method's type."


class RequestTimeout(CallerError):
    """The request's message does not arrive within the time limit."""

    reason = "REQUEST_TIMEOUT"
    text = "The message of the request did not come in time."


class InvalidField(CallerError):
    """One field of the request is at fault.

    Args:
        field: Path of the field, such as `params.temperature`.
        description: The allowed values. Never contains the rejected value.
    """

    def __init__(self, field: str, description: str) -> None:
        super().__init__()
        self.field = field
        self.description = description


class EmptyPrompt(InvalidField):
    """`content` is empty or blank."""

    reason = "EMPTY_PROMPT"
    text = "The message has no content."

    def __init__(self) -> None:
        super().__init__("content", "must hold more than white space")


class InvalidParameter(InvalidField):
    """A field is out of range or no JSON Schema, or the upstream rejects its value."""

    reason = "INVALID_PARAMETER"
    text = "A field of the request is out of range; the details name it."


class UnknownModel(InvalidField):
    """This service does not offer the model that is named, or the upstream does not know it."""

    reason = "UNKNOWN_MODEL"
    text = "This service does not offer the requested model."

    def __init__(self, field: str = "params.model") -> None:
        super().__init__(field, "must be empty or one of the service's models")


class UnsupportedByModel(InvalidField):
    """The model, or its provider, lacks what the request needs, such as embeddings."""

    reason = "UNSUPPORTED_BY_MODEL"
    text = "The model does not support what the request needs; the details name it."


class ModelNotAllowed(InvalidField):
    """The caller may not use the model, by the gateway file."""

    reason = "MODEL_NOT_ALLOWED"
    text = "The caller may not use the requested model."

    def __init__(self, field: str = "params.model") -> None:
        super().__init__(field, "must be one of the models that the caller may use")


class CredentialsRefused(CallerError):
    """The base class of failures of the caller's credentials, which have the same text."""

    text = "The call has no credentials that this service accepts."


class CredentialsMissing(CredentialsRefused):
    """The gateway file has callers, and the call has no credentials."""

    reason = "CREDENTIALS_MISSING"


class CredentialsInvalid(CredentialsRefused):
    """The credentials are of no caller."""

    reason = "CREDENTIALS_INVALID"


class CredentialsExpired(CredentialsRefused):
    """The credentials are not accepted any more."""

    reason = "CREDENTIALS_EXPIRED"


class PromptTooLong(CallerError):
    """The upstream answers 413 or reports that the prompt is too long."""

    reason = "PROMPT_TOO_LONG"
    text = "The prompt is longer than the model accepts."


class PromptRejected(CallerError):
    """The upstream reports that the prompt violates its policy."""

    reason = "PROMPT_REJECTED"
    text = "The upstream's policy rejects the prompt."


# --- The caller's limits ------------------------------------------------------


class LimitReached(CallerError):
    """A limit of the caller, in the gateway file, has no room for the call.

    Args:
        limit: The name of the limit, such as `tokens/m`.
        retry_after: The seconds until there may be room; None if there will never be any.
    """

    retryable = True

    def __init__(self, limit: str, *, retry_after: float | None = None) -> None:
        super().__init__(retry_after=retry_after)
        self.limit = limit


class CallerRateLimited(LimitReached):
    """The caller's requests or tokens within a time are used up, or the rest is too small."""

    reason = "CALLER_RATE_LIMITED"
    text = "The caller's limit of requests or tokens has no room for the call."


class CallerTooManyStreams(LimitReached):
    """The caller has as many calls at once as it may."""

    reason = "CALLER_TOO_MANY_STREAMS"
    text = "The caller has too many calls at once."


class CallerBudgetExhausted(LimitReached):
    """The caller's budget has no room for the call, or a limit is used up during the answer."""

    reason = "CALLER_BUDGET_EXHAUSTED"
    text = "The caller's budget is used up."
    retryable = False


class LimitsUnavailable(ServiceError):
    """The store that counts the limits is away, and the gateway file says to refuse then."""

    reason = "LIMITS_UNAVAILABLE"
    text = "The limits of the caller cannot be checked now."
    retryable = True


# --- The upstream -------------------------------------------------------------


class UpstreamError(ServiceError):
    """The upstream reports a temporary failure (5xx and others), or an error inside its answer."""

    reason = "UPSTREAM_ERROR"
    text = "The upstream failed."
    retryable = True
    blame: ClassVar[Party] = "upstream"


class UpstreamUnreachable(UpstreamError):
    """The connection fails (refused, DNS, TLS) or breaks before a response."""

    reason = "UPSTREAM_UNREACHABLE"
    text = "The upstream cannot be reached."


class UpstreamTimeout(UpstreamError):
    """No response or no token arrives within the time limit, or the upstream answers 408 or 504."""

    reason = "UPSTREAM_TIMEOUT"
    text = "The upstream did not begin its answer in time."


class UpstreamConflict(UpstreamError):
    """The upstream answers 409."""

    reason = "UPSTREAM_CONFLICT"
    text = "The upstream reports a conflict."


class UpstreamIdleTimeout(UpstreamError):
    """After the answer has begun, no token arrives within the time limit."""

    reason = "UPSTREAM_IDLE_TIMEOUT"
    text = "The upstream stopped sending tokens."


class StreamDurationLimit(UpstreamError):
    """The answer exceeds this service's time limit for one stream."""

    reason = "STREAM_DURATION_LIMIT"
    text = "The answer took longer than this service allows."
    retryable = False


class UpstreamStreamBroken(UpstreamError):
    """The connection breaks during the answer."""

    reason = "UPSTREAM_STREAM_BROKEN"
    text = "The connection to the upstream broke."


class UpstreamTruncated(UpstreamError):
    """The response ends without a finish reason."""

    reason = "UPSTREAM_TRUNCATED"
    text = "The upstream ended before its answer was complete."


class UpstreamRateLimited(UpstreamError):
    """The upstream answers 429 or reports that its rate limit is exceeded."""

    reason = "UPSTREAM_RATE_LIMITED"
    text = "The upstream limits the rate of requests."


class UpstreamQuotaExhausted(UpstreamError):
    """The upstream answers 402 or reports that the quota or the credit is used up."""

    reason = "UPSTREAM_QUOTA_EXHAUSTED"
    text = "The quota at the upstream is used up."
    retryable = False
    blame = "service"


class UpstreamRejectedRequest(UpstreamError):
    """The upstream answers with a redirect, or with another 4xx that no caller's value caused.

    Args:
        fields: Paths of the request's fields that the upstream's error names, such as
            `params.temperature`, whether or not the caller set them.
        members: Names in the error that may be those of further members of a ChatBody.
    """

    reason = "UPSTREAM_REJECTED_REQUEST"
    text = "The upstream does not accept the request that this service made."
    retryable = False
    blame = "service"

    def __init__(self, *, fields: tuple[str, ...] = (), members: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.fields = fields
        self.members = members


class UpstreamAuthRejected(UpstreamError):
    """The upstream answers 401, or 403 for no other reason that it names."""

    reason = "UPSTREAM_AUTH_REJECTED"
    text = "The upstream rejects this service's credentials."
    retryable = False
    blame = "service"


class UpstreamModelNotFound(UpstreamError):
    """The upstream answers 404, or says that it does not have the model."""

    reason = "UPSTREAM_MODEL_NOT_FOUND"
    text = "The upstream does not know the model."
    retryable = False
    blame = "service"


class UpstreamProtocolError(UpstreamError):
    """The response contains invalid JSON, invalid UTF-8 or JSON of an unexpected structure."""

    reason = "UPSTREAM_PROTOCOL_ERROR"
    text = "The upstream sent something that is not a valid response."
    retryable = False


class UpstreamEventTooLarge(UpstreamError):
    """One event of the response exceeds its size limit."""

    reason = "UPSTREAM_EVENT_TOO_LARGE"
    text = "The upstream sent an event larger than this service allows."
    retryable = False


class UpstreamResponseTooLarge(UpstreamError):
    """A line or the decompressed response exceeds its size limit."""

    reason = "UPSTREAM_RESPONSE_TOO_LARGE"
    text = "The upstream sent a response larger than this service allows."
    retryable = False


class UpstreamToolCallInvalid(UpstreamError):
    """A tool call has no name, its arguments are not a JSON object, or there are too many."""

    reason = "UPSTREAM_TOOL_CALL_INVALID"
    text = "The upstream sent a tool call that is not valid."
    retryable = False


class ContentFiltered(UpstreamError):
    """The finish reason is `content_filter`, or another word for it."""

    reason = "CONTENT_FILTERED"
    text = "The upstream's content filter ended the answer."
    retryable = False
    blame = "caller"


# --- This service -------------------------------------------------------------


class ServerOverloaded(ServiceError):
    """The limit of concurrent answers or of request bytes in flight is reached.

    This also happens when the free slots are reserved for connections with fewer calls, or
    when more calls arrive than the process can accept.
    """

    reason = "SERVER_OVERLOADED"
    text = "This service is at its limit of answers or of request bytes in flight."
    retryable = True


class SlowConsumer(ServiceError):
    """The caller's connection accepts no data for longer than the time limit."""

    reason = "SLOW_CONSUMER"
    text = "The caller reads the answer too slowly."
    blame = "caller"


class ServerShuttingDown(ServiceError):
    """This process stops: it accepts no new calls, or the grace period of a running one is over."""

    reason = "SERVER_SHUTTING_DOWN"
    text = "This instance is shutting down."
    retryable = True


class ServerResourcesExhausted(ServiceError):
    """This process or its host runs out of file descriptors, threads or memory."""

    reason = "SERVER_RESOURCES_EXHAUSTED"
    text = "This service has no resources left to ask the upstream."
    retryable = True


class IssuerUnavailable(ServiceError):
    """The issuer of the caller's token, as the token names it, does not tell its keys.

    This also happens with a key that is new, while the issuer is away. Tokens of keys that are
    known are accepted all the time.
    """

    reason = "ISSUER_UNAVAILABLE"
    text = "This service cannot get the keys with which it verifies the caller's token."
    retryable = True


class InternalError(ServiceError):
    """This service has a bug. The log contains the details under the request id."""

    reason = "INTERNAL"
    text = "This service failed."


def clear_references(failure: ServiceError) -> None:
    """Drop a failure's references to frames and other exceptions.

    gRPC keeps the exception that ended a call in a reference cycle with the frames that it
    passed through. Without this, the locals of those frames, such as a large event, stay in
    memory until the garbage collector runs.
    """
    failure.__traceback__ = failure.__context__ = failure.__cause__ = None
