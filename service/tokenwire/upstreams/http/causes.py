"""Why a request to the upstream failed, from what aiohttp raises."""

import errno
import re
from http import HTTPStatus
from typing import Final

import aiohttp

from tokenwire.core import errors
from tokenwire.core.attempts import Cause
from tokenwire.upstreams.http.connections import UpstreamConnection

BY_NUMBER: Final = {
    errno.EMFILE: Cause.DESCRIPTORS,
    errno.ENFILE: Cause.DESCRIPTORS,
    errno.ENOMEM: Cause.MEMORY,
    errno.ENOBUFS: Cause.MEMORY,
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.ECONNABORTED: Cause.RESET,
    errno.EPIPE: Cause.RESET,
    errno.ETIMEDOUT: Cause.CONNECT_TIMEOUT,
    errno.EHOSTUNREACH: Cause.NO_ROUTE,
    errno.ENETUNREACH: Cause.NO_ROUTE,
    errno.EHOSTDOWN: Cause.NO_ROUTE,
    errno.ENETDOWN: Cause.NO_ROUTE,
    errno.EADDRNOTAVAIL: Cause.NO_LOCAL_ADDRESS,
    errno.EAFNOSUPPORT: Cause.NO_LOCAL_ADDRESS,
}
"""By the numbers of OSError. Where several addresses were tried, the earliest row says most."""

OURS: Final = (Cause.DESCRIPTORS, Cause.THREADS, Cause.MEMORY)
"""What is no fault of the upstream's."""

NUMBER: Final = re.compile(r"\[Errno (\d+)\]")
NO_THREAD: Final = "can't start new thread"
BY_KIND: Final[dict[type[Exception], Cause]] = {
    TimeoutError: Cause.CONNECT_TIMEOUT,
    aiohttp.ClientConnectorDNSError: Cause.DNS,
    # A name that is too long to be looked up.
    UnicodeError: Cause.DNS,
    aiohttp.ClientConnectorCertificateError: Cause.TLS,
    aiohttp.ClientConnectorSSLError: Cause.TLS,
    aiohttp.ServerFingerprintMismatch: Cause.TLS,
    aiohttp.ClientHttpProxyError: Cause.PROXY,
    aiohttp.ClientResponseError: Cause.NOT_HTTP,
    aiohttp.ClientError: Cause.OTHER,
}
"""By what aiohttp raises, special kinds first."""


def failure(cause: Cause) -> errors.ServiceError:
    """Return the failure of a call whose request had no response for this cause."""
    return errors.ServerResourcesExhausted() if cause in OURS else errors.UpstreamUnreachable()


def cause_of(error: Exception, connection: UpstreamConnection | None) -> Cause | None:
    """Return why a request had no response, or None if the error is none of a connection's.

    Args:
        error: What sending the request raised.
        connection: Where it went out, if there was a connection.
    """
    for each in (error, error.__cause__):
        if isinstance(each, RuntimeError) and str(each) == NO_THREAD:
            return Cause.THREADS
    if isinstance(error, aiohttp.ClientConnectorError):
        found = _by_number(error.os_error)
        if found in OURS or type(error) not in BY_KIND:
            return found
    if isinstance(error, aiohttp.ClientConnectionError) and connection is not None:
        return cause_of_end(connection)
    return next((cause for kind, cause in BY_KIND.items() if isinstance(error, kind)), None)


def cause_of_end(connection: UpstreamConnection) -> Cause:
    """Return why a connection ended before its response did."""
    if isinstance(connection.exception(), aiohttp.http_exceptions.HttpProcessingError):
        return Cause.NOT_HTTP
    if connection.ended_by is None:
        return Cause.EOF
    found = _by_number(connection.ended_by)
    return Cause.RESET if found is Cause.OTHER else found


def is_idle_timeout(response: aiohttp.ClientResponse) -> bool:
    """Tell a response that says an idle connection was closed, sent before any request came.

    RFC 9110, 15.5.9: a server sends 408 and closes the connection rather than wait longer.
    """
    closes = "close" in response.headers.get("connection", "").lower()
    return response.status == HTTPStatus.REQUEST_TIMEOUT and closes


def _by_number(error: BaseException) -> Cause:
    if isinstance(error, ConnectionResetError):
        return Cause.RESET
    # The failures of several addresses are one error, whose text has all their numbers.
    numbers = {getattr(error, "errno", None), *map(int, NUMBER.findall(str(error)))}
    return next((cause for number, cause in BY_NUMBER.items() if number in numbers), Cause.OTHER)
