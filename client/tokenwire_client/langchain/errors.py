"""The exceptions of failed calls: each a ChatError and LangChain's exception of the condition."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from tokenwire_client.errors import ChatError


class TokenwireAuthenticationError(ChatError, ModelAuthenticationError):
    """The server does not accept the credentials of the call: UNAUTHENTICATED."""


class TokenwirePermissionDeniedError(ChatError, ModelPermissionDeniedError):
    """The caller may not use the model: PERMISSION_DENIED."""


class TokenwireInvalidRequestError(ChatError, ModelInvalidRequestError):
    """The request is invalid: INVALID_ARGUMENT. `fields` names what is wrong."""


class TokenwireModelNotFoundError(ChatError, ModelNotFoundError):
    """The server does not offer the model, or its upstream does not have it."""


class TokenwireContextOverflowError(ChatError, ContextOverflowError):
    """The prompt is longer than the model accepts: PROMPT_TOO_LONG."""


class TokenwireRateLimitError(ChatError, ModelRateLimitError):
    """A limit is reached: RESOURCE_EXHAUSTED. `retry_after` is None if a retry does not help."""


class TokenwireConnectionError(ChatError, ModelConnectionError):
    """No tokenwire server has answered: UNAVAILABLE without a reason."""


class TokenwireTimeoutError(ChatError, ModelTimeoutError):
    """The deadline has passed: DEADLINE_EXCEEDED."""


class TokenwireAPIError(ChatError, ModelAPIError):
    """The upstream or the server failed, before the first token (UNAVAILABLE) or after it."""


_BY_REASON: Final[dict[str, type[ChatError]]] = {
    "PROMPT_TOO_LONG": TokenwireContextOverflowError,
    "UNKNOWN_MODEL": TokenwireModelNotFoundError,
    "UPSTREAM_MODEL_NOT_FOUND": TokenwireModelNotFoundError,
    "CONTENT_FILTERED": TokenwireInvalidRequestError,
}
_BY_CODE: Final[dict[grpc.StatusCode, type[ChatError]]] = {
    grpc.StatusCode.UNAUTHENTICATED: TokenwireAuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: TokenwirePermissionDeniedError,
    grpc.StatusCode.INVALID_ARGUMENT: TokenwireInvalidRequestError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TokenwireRateLimitError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TokenwireTimeoutError,
}


def langchain_error(error: ChatError) -> ChatError:
    """Return the exception of the same call that is one of LangChain's too.

    Its `is_retryable` is what the server says: false after the first token, because a retry
    would be paid twice, and where a limit is used up. CANCELLED stays a ChatError.
    """
    if error.code is grpc.StatusCode.CANCELLED:
        return error
    kind = _BY_REASON.get(error.reason) or _BY_CODE.get(error.code, TokenwireAPIError)
    if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
        kind = TokenwireConnectionError
    args = (error.code, error.message, error.reason, error.request_id)
    found = kind(*args, error.retry_after, error.fields)
    if isinstance(found, TokenwireAPIError):
        found.is_retryable = error.code is grpc.StatusCode.UNAVAILABLE
    elif isinstance(found, TokenwireRateLimitError):
        found.is_retryable = error.retry_after is not None
    return found


@contextmanager
def langchain_errors() -> Iterator[None]:
    """Raise each ChatError of the block as `langchain_error` returns it."""
    try:
        yield
    except ChatError as error:
        found = langchain_error(error)
        if found is error:
            raise
        raise found from error.__cause__
