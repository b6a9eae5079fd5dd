"""What an upstream's HTTP status and error body mean.

The status decides where it is clear, and the body's words where it is not: upstreams
say the same things with different statuses, codes and sentences.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

from tokenwire.core import errors
from tokenwire.upstreams.openai import error_body, parameters, words
from tokenwire.upstreams.openai.error_body import ErrorBody
from tokenwire.upstreams.openai.waits import in_words, retry_after

BY_STATUS: Final[dict[int, type[errors.ServiceError]]] = {
    401: errors.UpstreamAuthRejected,
    402: errors.UpstreamQuotaExhausted,
    404: errors.UpstreamModelNotFound,
    408: errors.UpstreamTimeout,
    409: errors.UpstreamConflict,
    413: errors.PromptTooLong,
    420: errors.UpstreamRateLimited,
    # Locked, failed dependency, too early, over capacity, given up by a proxy: all pass.
    423: errors.UpstreamError,
    424: errors.UpstreamError,
    425: errors.UpstreamError,
    498: errors.UpstreamError,
    499: errors.UpstreamError,
    504: errors.UpstreamTimeout,
}
"""Statuses that need no words."""

Rules: TypeAlias = tuple[tuple[Callable[[ErrorBody], bool], type[errors.ServiceError]], ...]

BY_WORDS: Final[dict[int, Rules]] = {
    403: (
        (words.is_about_policy_alone, errors.PromptRejected),
        (words.is_about_money, errors.UpstreamQuotaExhausted),
        (words.is_about_model, errors.UpstreamModelNotFound),
        (lambda _: True, errors.UpstreamAuthRejected),
    ),
    429: (
        (words.is_about_money, errors.UpstreamQuotaExhausted),
        (lambda _: True, errors.UpstreamRateLimited),
    ),
}
OTHERS_BY_WORDS: Final[Rules] = (
    (words.is_about_money, errors.UpstreamQuotaExhausted),
    (words.is_about_rate, errors.UpstreamRateLimited),
    (words.is_about_policy, errors.PromptRejected),
    (words.is_about_length, errors.PromptTooLong),
    (words.is_about_model, errors.UpstreamModelNotFound),
)
"""What another 4xx may mean; the first that holds."""


def rejection(status: int, headers: Mapping[str, str], body: bytes) -> errors.ServiceError:
    """Return the failure that a response other than 200 stands for.

    `body` decides only between reasons; none of its text goes any further.
    """
    if status < HTTPStatus.BAD_REQUEST:
        return errors.UpstreamRejectedRequest()
    said = error_body.read(body)
    waits = (retry_after(headers), said.wait, in_words(said.text))
    wait = next((each for each in waits if each is not None), None)
    if kind := _kind(status, said):
        return kind(retry_after=wait if kind.retryable else None)
    fields = parameters.named_fields(said)
    if not fields and (wait is not None or words.is_passing(said)):
        return errors.UpstreamError(retry_after=wait)
    return errors.UpstreamRejectedRequest(fields=fields)


def is_error(body: bytes) -> bool:
    """Tell whether `body` is an error object, whatever status it came with."""
    value = error_body.decoded(body)
    # Gemini wraps its errors in a list.
    value = value[0] if isinstance(value, list) and value else value
    return isinstance(value, dict) and bool(value.get("error") or value.get("object") == "error")


def _kind(status: int, said: ErrorBody) -> type[errors.ServiceError] | None:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.UpstreamError
    rules = BY_WORDS.get(status, OTHERS_BY_WORDS)
    return next((kind for holds, kind in rules if holds(said)), None)
