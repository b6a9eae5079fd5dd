"""What an upstream's HTTP status and error body mean."""

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import msgspec

from tokenwire import errors

CONTEXT_LENGTH: Final = re.compile(
    r"context.{0,3}(length|window|size)|too (long|many tokens)|maximum.{0,20}tokens", re.IGNORECASE
)
POLICY: Final = re.compile(
    r"content_?(policy|filter)|responsible_?ai|moderation|invalid_prompt", re.IGNORECASE
)
LITELLM_POLICY: Final = "ContentPolicyViolationError"
"""LiteLLM puts the kind of an error into its message."""

MOST_RETRY_AFTER_SECONDS: Final = 365 * 86_400.0
"""Nobody means a longer wait, and far longer ones have no place in a RetryInfo."""

BY_STATUS: Final[dict[int, type[errors.ServiceError]]] = {
    401: errors.UpstreamAuthRejected,
    403: errors.UpstreamAuthRejected,
    404: errors.UpstreamModelNotFound,
    408: errors.UpstreamTimeout,
    409: errors.UpstreamConflict,
    413: errors.PromptTooLong,
    504: errors.UpstreamTimeout,
}


def rejection(status: int, headers: Mapping[str, str], body: bytes) -> errors.ServiceError:
    """Return the failure that a response other than 200 stands for.

    `body` decides only between reasons; none of its text goes any further.
    """
    if status in BY_STATUS:
        return BY_STATUS[status]()
    if status == 400:  # noqa: PLR2004 - an HTTP status reads best as its number
        return _bad_request(_error_object(body))
    if status == 429:  # noqa: PLR2004
        if "insufficient_quota" in _words(_error_object(body)):
            return errors.UpstreamQuotaExhausted()
        return errors.UpstreamRateLimited(retry_after=retry_after(headers))
    if status >= 500:  # noqa: PLR2004
        return errors.UpstreamError(retry_after=retry_after(headers))
    return errors.UpstreamRejectedRequest()


def is_error(body: bytes) -> bool:
    """Tell whether `body` is an error object, whatever status it came with."""
    value = _decoded(body)
    return isinstance(value, dict) and bool(value.get("error") or value.get("object") == "error")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    try:
        if value.isdecimal():
            seconds = float(value)
        else:
            date = email.utils.parsedate_to_datetime(value)
            seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MOST_RETRY_AFTER_SECONDS)


def _bad_request(error: dict[str, Any]) -> errors.ServiceError:
    words, message = _words(error), str(error.get("message"))
    if POLICY.search(words) or LITELLM_POLICY in message:
        return errors.PromptRejected()
    if CONTEXT_LENGTH.search(words) or CONTEXT_LENGTH.search(message):
        return errors.PromptTooLong()
    return errors.UpstreamRejectedRequest()


def _words(error: dict[str, Any]) -> str:
    return f"{error.get('code')} {error.get('type')}"


def _error_object(body: bytes) -> dict[str, Any]:
    value = _decoded(body)
    if not isinstance(value, dict):
        return {}
    # Mistral, and vLLM before 0.10, have the error's fields at the top.
    error = value.get("error", value)
    if isinstance(error, str):
        # Ollama's own API has nothing but the message.
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _decoded(body: bytes) -> object:
    """Return the JSON of `body`, or None if it is none."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    # Gemini wraps its errors in a list.
    return value[0] if isinstance(value, list) and value else value
