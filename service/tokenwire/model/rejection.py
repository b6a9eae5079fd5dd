"""What an upstream's HTTP status and error body mean."""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokenwire import errors

CONTEXT_LENGTH: Final = re.compile(
    r"context.{0,3}(length|window)|too (long|many tokens)|maximum.{0,20}tokens", re.IGNORECASE
)
POLICY: Final = re.compile(r"content_?(policy|filter)|responsible_?ai|moderation", re.IGNORECASE)

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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    try:
        if value.isdecimal():
            seconds = float(value)
        else:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MOST_RETRY_AFTER_SECONDS)


def _bad_request(error: dict[str, Any]) -> errors.ServiceError:
    words = _words(error)
    if POLICY.search(words):
        return errors.PromptRejected()
    if CONTEXT_LENGTH.search(words) or CONTEXT_LENGTH.search(str(error.get("message"))):
        return errors.PromptTooLong()
    return errors.UpstreamRejectedRequest()


def _words(error: dict[str, Any]) -> str:
    return f"{error.get('code')} {error.get('type')}"


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except ValueError:
        return {}
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}
