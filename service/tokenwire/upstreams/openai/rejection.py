"""Maps an upstream's HTTP status and error body to a failure.

The status decides where it is unambiguous, and otherwise the text of the body. Upstreams report
the same failure with different statuses, codes and messages.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

from tokenwire.core import errors
from tokenwire.upstreams.openai import error_body, parameters, words
from tokenwire.upstreams.openai.error_body import ErrorBody
from tokenwire.upstreams.openai.waits import retry_after, wait_in_text

FAILURE_BY_STATUS: Final[dict[int, type[errors.ServiceError]]] = {
    401: errors.UpstreamAuthRejected,
    402: errors.UpstreamQuotaExhausted,
    404: errors.UpstreamModelNotFound,
    408: errors.UpstreamTimeout,
    409: errors.UpstreamConflict,
    413: errors.PromptTooLong,
    420: errors.UpstreamRateLimited,
    # Locked, failed dependency, too early, over capacity, closed by a proxy: all are transient.
    423: errors.UpstreamError,
    424: errors.UpstreamError,
    425: errors.UpstreamError,
    498: errors.UpstreamError,
    499: errors.UpstreamError,
    504: errors.UpstreamTimeout,
}
"""Statuses that determine the failure."""

MAX_ERROR_BYTES: Final = 1 << 14
"""The size above which the content of an error in an answer is ignored."""
FLAT_KEYS: Final = {"code", "message"}
"""The keys of an error object that is not in a field of its own."""

Rules: TypeAlias = tuple[tuple[Callable[[ErrorBody], bool], type[errors.ServiceError]], ...]

RULES_BY_STATUS: Final[dict[int, Rules]] = {
    403: (
        (words.is_about_prompt_policy, errors.PromptRejected),
        (words.is_about_money, errors.UpstreamQuotaExhausted),
        (words.is_about_model, errors.UpstreamModelNotFound),
        (lambda _: True, errors.UpstreamAuthRejected),
    ),
    429: (
        (words.is_about_money, errors.UpstreamQuotaExhausted),
        (lambda _: True, errors.UpstreamRateLimited),
    ),
}
DEFAULT_RULES: Final[Rules] = (
    (words.is_about_key, errors.UpstreamAuthRejected),
    (words.is_about_money, errors.UpstreamQuotaExhausted),
    (words.is_about_rate, errors.UpstreamRateLimited),
    (words.is_about_policy, errors.PromptRejected),
    (words.is_about_length, errors.PromptTooLong),
    (words.is_about_model, errors.UpstreamModelNotFound),
)
"""The rules for all other 4xx statuses. The first rule that matches applies."""


def rejection(status: int, headers: Mapping[str, str], body: bytes) -> errors.ServiceError:
    """Return the failure for a response with a status other than 200.

    The text of `body` only determines the type of the failure and is not part of it.
    """
    if status < HTTPStatus.BAD_REQUEST:
        return errors.UpstreamRejectedRequest()
    content = error_body.read(body)
    waits = (retry_after(headers), content.wait, wait_in_text(content.text))
    wait = next((each for each in waits if each is not None), None)
    if kind := _kind(status, content):
        return kind(retry_after=wait if kind.retryable else None)
    may_be_transient = wait is not None or words.is_transient(content)
    if may_be_transient and not parameters.named_fields(content):
        return errors.UpstreamError(retry_after=wait)
    return errors.UpstreamRejectedRequest(
        fields=parameters.rejected_fields(content), members=parameters.named_members(content)
    )


def is_error(value: object) -> bool:
    """Report whether a decoded body or event is an error object, whatever the status says."""
    # Gemini wraps its errors in a list.
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return False
    is_flat = "choices" not in value and value.keys() >= FLAT_KEYS
    return (
        bool(value.get("error")) or is_flat or "error" in (value.get("object"), value.get("type"))
    )


def error_in_answer(data: bytes) -> errors.ServiceError:
    """Return the failure for an error object in a response with status 200.

    Only its codes can make it a limit. It never blames the caller, because the upstream had
    accepted the request.
    """
    # Decoding creates an object for each value, and an event may be large.
    content = error_body.read(data if len(data) <= MAX_ERROR_BYTES else b"")
    if words.is_money_code(content):
        return errors.UpstreamQuotaExhausted()
    waits = (content.wait, wait_in_text(content.text))
    wait = next((each for each in waits if each is not None), None)
    if words.is_rate_code(content):
        return errors.UpstreamRateLimited(retry_after=wait)
    return errors.UpstreamError(retry_after=wait)


def _kind(status: int, content: ErrorBody) -> type[errors.ServiceError] | None:
    if status in FAILURE_BY_STATUS:
        return FAILURE_BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Otherwise one caller's requests would look like an upstream that fails.
        return None if words.is_about_unsupported_parts(content) else errors.UpstreamError
    rules = RULES_BY_STATUS.get(status, DEFAULT_RULES)
    return next((kind for holds, kind in rules if holds(content)), None)
