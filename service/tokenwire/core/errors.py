"""Every failure that a caller can see, once: its reason and its text.

The text is fixed: it never holds anything that came from a caller or from the
upstream. What each row means is told in docs/errors.md.
"""

from typing import ClassVar, Literal, TypeAlias

DOMAIN = "tokenwire"
"""The domain of google.rpc.ErrorInfo in every failed call's status details."""

Party: TypeAlias = Literal["caller", "upstream", "service"]


class ServiceError(Exception):
    """A failure with a reason of its own.

    Attributes:
        reason: The `reason` of google.rpc.ErrorInfo.
        text: The status text.
        retryable: Whether the same call may succeed later.
        blame: Who has to act: the caller, the upstream or this service.
        retry_after: Seconds to wait before a retry, or None if unknown.
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
    """The request cannot be served as it is."""

    blame = "caller"


class MalformedRequest(CallerError):
    """The bytes of the request do not parse, or hold invalid UTF-8, or there is no message."""

    reason = "MALFORMED_REQUEST"
    text = "The request is not one valid message of the method's type."


class RequestTimeout(CallerError):
    """The message of the request does not come in time."""

    reason = "REQUEST_TIMEOUT"
    text = "The message of the request did not come in time."


class InvalidField(CallerError):
    """One field of the request is at fault.

    Args:
        field: Path of the field, as in `params.temperature`.
        description: What is allowed. Never holds the value that was sent.
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
    """A parameter is out of range or refused by the upstream, or a turn has an unknown role."""

    reason = "INVALID_PARAMETER"
    text = "A field of the request is out of range; the details name it."


class UnknownModel(InvalidField):
    """`params.model` is not among the models that the service offers, or the upstream has none."""

    reason = "UNKNOWN_MODEL"
    text = "This service does not offer the requested model."

    def __init__(self) -> None:
        super().__init__("params.model", "must be empty or one of the service's models")


class PromptTooLong(CallerError):
    """The upstream answers 413, or says that the prompt is too long."""

    reason = "PROMPT_TOO_LONG"
    text = "The prompt is longer than the model accepts."


class PromptRejected(CallerError):
    """The upstream says that the prompt is against its policy."""

    reason = "PROMPT_REJECTED"
    text = "The upstream's policy rejects the prompt."


# --- The upstream -------------------------------------------------------------


class UpstreamError(ServiceError):
    """The upstream answers 5xx, 425 or 498, or reports an error within its answer."""

    reason = "UPSTREAM_ERROR"
    text = "The upstream failed."
    retryable = True
    blame: ClassVar[Party] = "upstream"


class UpstreamUnreachable(UpstreamError):
    """Connecting fails (refused, DNS, TLS) or the connection breaks before a response."""

    reason = "UPSTREAM_UNREACHABLE"
    text = "The upstream cannot be reached."


class UpstreamTimeout(UpstreamError):
    """No response or no token arrives in time, or the upstream answers 408 or 504."""

    reason = "UPSTREAM_TIMEOUT"
    text = "The upstream did not begin its answer in time."


class UpstreamConflict(UpstreamError):
    """The upstream answers 409."""

    reason = "UPSTREAM_CONFLICT"
    text = "The upstream reports a conflict."


class UpstreamIdleTimeout(UpstreamError):
    """The answer has begun and then no token arrives in time."""

    reason = "UPSTREAM_IDLE_TIMEOUT"
    text = "The upstream stopped sending tokens."


class StreamDurationLimit(UpstreamError):
    """The answer is still running at the service's limit for one stream."""

    reason = "STREAM_DURATION_LIMIT"
    text = "The answer took longer than this service allows."
    retryable = False


class UpstreamStreamBroken(UpstreamError):
    """The connection breaks while the answer is running."""

    reason = "UPSTREAM_STREAM_BROKEN"
    text = "The connection to the upstream broke."


class UpstreamTruncated(UpstreamError):
    """The response ends without a finish reason."""

    reason = "UPSTREAM_TRUNCATED"
    text = "The upstream ended before its answer was complete."


class UpstreamRateLimited(UpstreamError):
    """The upstream answers 429, or says that requests come too fast."""

    reason = "UPSTREAM_RATE_LIMITED"
    text = "The upstream limits the rate of requests."


class UpstreamQuotaExhausted(UpstreamError):
    """The upstream answers 402, or says that quota or money is used up."""

    reason = "UPSTREAM_QUOTA_EXHAUSTED"
    text = "The quota at the upstream is used up."
    retryable = False
    blame = "service"


class UpstreamRejectedRequest(UpstreamError):
    """The upstream answers with a redirect, or with another 4xx for what no caller set.

    Args:
        fields: Fields of the request that the upstream's answer is about, such as
            `params.temperature`, whether or not the caller set them.
    """

    reason = "UPSTREAM_REJECTED_REQUEST"
    text = "The upstream does not accept the request that this service made."
    retryable = False
    blame = "service"

    def __init__(self, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.fields = fields


class UpstreamAuthRejected(UpstreamError):
    """The upstream answers 401 or 403."""

    reason = "UPSTREAM_AUTH_REJECTED"
    text = "The upstream rejects this service's credentials."
    retryable = False
    blame = "service"


class UpstreamModelNotFound(UpstreamError):
    """The upstream answers 404."""

    reason = "UPSTREAM_MODEL_NOT_FOUND"
    text = "The upstream does not know the model."
    retryable = False
    blame = "service"


class UpstreamProtocolError(UpstreamError):
    """The response holds invalid JSON, invalid UTF-8 or an unexpected shape."""

    reason = "UPSTREAM_PROTOCOL_ERROR"
    text = "The upstream sent something that is not a chat completion."
    retryable = False


class UpstreamEventTooLarge(UpstreamError):
    """One event of the response is over the size limit."""

    reason = "UPSTREAM_EVENT_TOO_LARGE"
    text = "The upstream sent an event larger than this service allows."
    retryable = False


class UpstreamResponseTooLarge(UpstreamError):
    """A line, an error body or the decompressed response is over its size limit."""

    reason = "UPSTREAM_RESPONSE_TOO_LARGE"
    text = "The upstream sent a response larger than this service allows."
    retryable = False


class ContentFiltered(UpstreamError):
    """The finish reason is `content_filter`."""

    reason = "CONTENT_FILTERED"
    text = "The upstream's content filter ended the answer."
    retryable = False
    blame = "caller"


# --- This service -------------------------------------------------------------


class ServerOverloaded(ServiceError):
    """As many answers as allowed, or as many bytes of requests, are in flight.

    Or what is free is kept for connections that have fewer, or more calls come than
    the process can take.
    """

    reason = "SERVER_OVERLOADED"
    text = "This service is at its limit of answers or of request bytes in flight."
    retryable = True


class SlowConsumer(ServiceError):
    """The caller's connection accepts no data for longer than allowed."""

    reason = "SLOW_CONSUMER"
    text = "The caller reads the answer too slowly."
    blame = "caller"


class ServerShuttingDown(ServiceError):
    """The grace for running answers is over."""

    reason = "SERVER_SHUTTING_DOWN"
    text = "This instance is shutting down."
    retryable = True


class ServerResourcesExhausted(ServiceError):
    """File descriptors, threads or memory of this process or its host run out."""

    reason = "SERVER_RESOURCES_EXHAUSTED"
    text = "This service has no resources left to ask the upstream."
    retryable = True


class InternalError(ServiceError):
    """A bug: the log holds the details under the request id."""

    reason = "INTERNAL"
    text = "This service failed."


def let_go(failure: ServiceError) -> None:
    """Free what a failure came from, such as a large event, without the garbage collector.

    gRPC keeps what ended a call in a cycle with the frames that it went through.
    """
    failure.__traceback__ = failure.__context__ = failure.__cause__ = None
