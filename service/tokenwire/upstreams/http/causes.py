"""Maps aiohttp's exceptions to the cause of a failed connection."""

import errno
import re
from http import HTTPStatus
from typing import Final

import aiohttp

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http.connections import UpstreamConnection

CAUSE_BY_ERRNO: Final = {
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
"""Causes by errno. If several addresses failed, the earliest row in this table applies."""

LOCAL_CAUSES: Final = (Cause.DESCRIPTORS, Cause.THREADS, Cause.MEMORY)
"""Causes that lie in this process or its host."""

ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
NO_THREAD: Final = "can't start new thread"
CAUSE_BY_TYPE: Final[dict[type[Exception], Cause]] = {
    TimeoutError: Cause.CONNECT_TIMEOUT,
    aiohttp.ClientConnectorDNSError: Cause.DNS,
    # Raised for a host name that is too long.
    UnicodeError: Cause.DNS,
    aiohttp.ClientConnectorCertificateError: Cause.TLS,
    aiohttp.ClientConnectorSSLError: Cause.TLS,
    aiohttp.ServerFingerprintMismatch: Cause.TLS,
    aiohttp.ClientHttpProxyError: Cause.PROXY,
    aiohttp.ClientResponseError: Cause.NOT_HTTP,
    aiohttp.ClientError: Cause.OTHER,
}
"""Causes by exception type, subclasses first."""


def failure(cause: Cause) -> errors.ServiceError:
    """Return the failure of a call whose request received no response because of `cause`."""
    return (
        errors.ServerResourcesExhausted() if cause in LOCAL_CAUSES else errors.UpstreamUnreachable()
    )


def cause_of(error: Exception, connection: UpstreamConnection | None) -> Cause | None:
    """Return why a request received no response, or None if `error` is not a connection error.

    Args:
        error: The exception that sending the request raised.
        connection: The connection of the request, or None if none was established.
    """
    for each in (error, error.__cause__):
        if isinstance(each, RuntimeError) and str(each) == NO_THREAD:
            return Cause.THREADS
    if isinstance(error, aiohttp.ClientConnectorError):
        found = _cause_by_errno(error.os_error)
        if found in LOCAL_CAUSES or type(error) not in CAUSE_BY_TYPE:
            return found
    if isinstance(error, aiohttp.ClientConnectionError) and connection is not None:
        return cause_of_end(connection)
    return next((cause for kind, cause in CAUSE_BY_TYPE.items() if isinstance(error, kind)), None)


def cause_of_end(connection: UpstreamConnection) -> Cause:
    """Return why a connection ended before the end of the response."""
    if isinstance(connection.exception(), aiohttp.http_exceptions.HttpProcessingError):
        return Cause.NOT_HTTP
    if connection.ended_by is None:
        return Cause.EOF
    found = _cause_by_errno(connection.ended_by)
    return Cause.RESET if found is Cause.OTHER else found


def stream_broken(
    connection: UpstreamConnection | None, attempts: Attempts
) -> errors.UpstreamStreamBroken:
    """Record why a connection ended within a response, and return the failure."""
    attempts.add_failure(Cause.OTHER if connection is None else cause_of_end(connection))
    return errors.UpstreamStreamBroken()


def is_idle_timeout(response: aiohttp.ClientResponse) -> bool:
    """Report whether the server sent `response` to close an idle connection.

    RFC 9110, 15.5.9: a server that waits no longer for a request sends 408 with
    `Connection: close`.
    """
    closes = "close" in response.headers.get("connection", "").lower()
    return response.status == HTTPStatus.REQUEST_TIMEOUT and closes


def _cause_by_errno(error: BaseException) -> Cause:
    if isinstance(error, ConnectionResetError):
        return Cause.RESET
    # If several addresses failed, asyncio raises one error whose text contains all errno values.
    numbers = {getattr(error, "errno", None), *map(int, ERRNO.findall(str(error)))}
    return next(
        (cause for number, cause in CAUSE_BY_ERRNO.items() if number in numbers), Cause.OTHER
    )
