"""Maps the exceptions of LangChain and of providers' packages to failures.

An exception's text only determines the type of the failure and is not part of it.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import pydantic
from langchain_core import exceptions

from tokenwire.core import errors
from tokenwire.upstreams.http.causes import CAUSE_BY_ERRNO, LOCAL_CAUSES
from tokenwire.upstreams.openai import parameters
from tokenwire.upstreams.openai.error_body import ErrorBody
from tokenwire.upstreams.openai.rejection import error_in_answer, rejection

FAILURES: Final[dict[type[exceptions.ModelError], type[errors.ServiceError]]] = {
    exceptions.ModelAuthenticationError: errors.UpstreamAuthRejected,
    exceptions.ModelPermissionDeniedError: errors.UpstreamAuthRejected,
    exceptions.ModelInvalidRequestError: errors.UpstreamRejectedRequest,
    exceptions.ModelNotFoundError: errors.UpstreamModelNotFound,
    exceptions.ModelRateLimitError: errors.UpstreamRateLimited,
    exceptions.ModelConnectionError: errors.UpstreamUnreachable,
    exceptions.ModelTimeoutError: errors.UpstreamTimeout,
    exceptions.ContextOverflowError: errors.PromptTooLong,
}
"""LangChain's exceptions. Every other ModelError becomes an UpstreamError."""

CONNECTING: Final = (
    *("ConnectError", "ConnectTimeout", "ClientConnectorError", "NewConnectionError"),
    *("ConnectTimeoutError", "EndpointConnectionError"),
)
TIMEOUTS: Final = (
    *("Timeout", "TimeoutError", "TimeoutException", "APITimeoutError", "ReadTimeoutError"),
    "DeadlineExceeded",
)
BROKEN: Final = (
    *("ConnectionError", "TransportError", "ClientError", "RequestException", "HTTPError"),
    *("NetworkError", "ProtocolError", "IncompleteRead", "APIConnectionError"),
)
"""The names of the exceptions of HTTP libraries (httpx, httpcore, aiohttp, requests, urllib3,
botocore) and of SDKs for failed connections. An exception also has the names of its bases. Names
are compared, so that no library has to be installed."""
MALFORMED: Final = (
    *(json.JSONDecodeError, msgspec.DecodeError, UnicodeError, pydantic.ValidationError),
    exceptions.OutputParserException,
)
"""Exceptions for a response that cannot be decoded."""
REJECTED_LOCALLY: Final = (ValueError, TypeError, NotImplementedError, KeyError, AttributeError)
"""Exceptions of packages that cannot make a request from their arguments."""

MAX_CHAIN: Final = 16
MAX_TEXT_LENGTH: Final = 4_000


def failure_of(error: Exception, *, sent: bool | None, received: bool) -> errors.ServiceError:
    """Return the failure for an exception that a model raised.

    Args:
        error: The exception.
        sent: Whether a request was sent; None if unknown.
        received: Whether a part of the answer has arrived, which implies that one was sent.
    """
    sent = True if received else sent
    chain = list(_chain(error))
    found = next((each for each in chain if isinstance(each, errors.ServiceError)), None)
    found = found or next(filter(None, map(_by_status, chain)), None)
    found = found or next(
        filter(None, (_by_connection(each, received=received) for each in chain)), None
    )
    if found:
        return found
    for each in chain:
        for kind, failure in FAILURES.items():
            if isinstance(each, kind):
                return failure()
    is_malformed = any(isinstance(each, MALFORMED) for each in chain)
    if sent is False or (isinstance(error, REJECTED_LOCALLY) and not (sent or is_malformed)):
        # Nothing was sent: the package cannot make a request from its arguments.
        return errors.UpstreamRejectedRequest(fields=_rejected_fields(error))
    if is_malformed or isinstance(error, REJECTED_LOCALLY):
        return errors.UpstreamProtocolError()
    return errors.UpstreamError()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that caused it."""
    for _ in range(MAX_CHAIN):
        yield error
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        error = cause


def _by_status(error: BaseException) -> errors.ServiceError | None:
    """Return the failure for the HTTP status in an exception, or None if it has none."""
    response = getattr(error, "response", None)
    status, headers = _status(error, response), _headers(response)
    if status is None:
        return None
    body = _body(error, response)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return error_in_answer(body)
    return rejection(status, headers, body)


def _status(error: BaseException, response: object) -> int | None:
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    values = [
        *(getattr(error, name, None) for name in ("status_code", "http_status", "status", "code")),
        *(getattr(response, name, None) for name in ("status_code", "status")),
        # botocore's response is a dictionary.
        metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None,
    ]
    statuses = (value for value in values if isinstance(value, int))
    return next((int(value) for value in statuses if 200 <= value < 600), None)  # noqa: PLR2004 - HTTP


def _headers(response: object) -> Mapping[str, str]:
    if isinstance(response, dict):
        metadata = response.get("ResponseMetadata", {})
        found = metadata.get("HTTPHeaders") if isinstance(metadata, dict) else None
    else:
        found = getattr(response, "headers", None)
    if not isinstance(found, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in found.items()}


def _body(error: BaseException, response: object) -> bytes:
    """Return the body of an error as JSON, or nothing if it is not available."""
    for value in (getattr(error, "body", None), response, _read_text(response), error.args[:1]):
        match value:
            case bytes() if value:
                return value
            case str() if value:
                return value.encode("utf-8", "replace")
            case (str() as text,):
                return msgspec.json.encode({"message": text[:MAX_TEXT_LENGTH]})
            case dict() | list() if value:
                try:
                    return msgspec.json.encode(value)
                except (TypeError, ValueError, RecursionError):
                    continue
    return b""


def _read_text(response: object) -> Any:
    try:
        return getattr(response, "text", None)
    except Exception:  # noqa: BLE001 - httpx raises for a body that is not read
        return None


def _by_connection(error: BaseException, *, received: bool) -> errors.ServiceError | None:
    """Return the failure for an exception of a connection, or None if it is none."""
    if isinstance(error, OSError) and CAUSE_BY_ERRNO.get(error.errno or 0) in LOCAL_CAUSES:
        return errors.ServerResourcesExhausted()
    names = {kind.__name__ for kind in type(error).__mro__}
    if not received and not names.isdisjoint(CONNECTING):
        return errors.UpstreamUnreachable()
    if isinstance(error, TimeoutError) or not names.isdisjoint(TIMEOUTS):
        return errors.UpstreamIdleTimeout() if received else errors.UpstreamTimeout()
    if isinstance(error, OSError) or not names.isdisjoint(BROKEN):
        return errors.UpstreamStreamBroken() if received else errors.UpstreamUnreachable()
    return None


def _rejected_fields(error: BaseException) -> tuple[str, ...]:
    return parameters.rejected_fields(ErrorBody(text=str(error)[:MAX_TEXT_LENGTH]))
