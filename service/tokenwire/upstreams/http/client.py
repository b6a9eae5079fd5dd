"""The HTTP client for all upstreams."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import aiohttp
from aiohttp.payload import Payload
from yarl import URL

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http.causes import cause_of, failure, is_idle_timeout
from tokenwire.upstreams.http.connections import MAX_HEAD_BYTES
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Attempt, Connector, Request, Response
from tokenwire.upstreams.http.trace_headers import trace_headers

ERROR_BODY_SECONDS: Final = 1.0
MAX_ERROR_BODY_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 1_024
"""More than any proxy adds. This is also the only limit on the trailers of a chunked body."""
READ_BUFFER_BYTES: Final = 1 << 12
"""The number of unread bytes per answer above which reading from the upstream pauses."""


NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpClient:
    """Sends requests to one upstream and pools the connections to it.

    It follows no redirects, stores no cookies and ignores proxy environment variables.

    Args:
        connect_seconds: The longest time to establish a connection. The reader of the response
            limits the time of the answer.
        proxy: The URL of an HTTP proxy, or None.
        authorities: The certificate authorities of the upstream; None for those of the system.
        headers: Further headers of each request. They take the place of others whose names are
            written in lower case.
    """

    def __init__(
        self,
        connect_seconds: float,
        proxy: str | None,
        authorities: ssl.SSLContext | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._authorities = authorities
        self._connect_seconds = connect_seconds
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def post(
        self,
        url: URL | str,
        headers: dict[str, str],
        body: bytes | Payload,
        attempts: Attempts,
    ) -> Response:
        """Send a request, and send it again on a new connection if the pooled one was stale.

        Returns:
            The response, whatever its status. The caller must close it.

        Raises:
            ServiceError: No response arrives.
        """
        if self._headers:
            headers = headers | self._headers
        response = await self._post_once(url, headers, body, attempts, Attempt(fresh=False))
        if response is None:
            response = await self._post_once(url, headers, body, attempts, Attempt(fresh=True))
        assert response is not None  # noqa: S101 - a fresh connection is not stale
        return response

    async def _post_once(
        self,
        url: URL | str,
        headers: dict[str, str],
        body: bytes | Payload,
        attempts: Attempts,
        attempt: Attempt,
    ) -> Response | None:
        """Return the response to a request, or None if its connection was stale."""
        session = self._open_session()
        attempts.begin_request()
        try:
            response = await session.post(
                url,
                data=body,
                headers=headers | trace_headers(attempts.request_span or attempts.span),
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._authorities or True,
                middlewares=(attempt,),
            )
        except (aiohttp.ClientError, TimeoutError, UnicodeError, RuntimeError) as error:
            cause = cause_of(error, attempt.connection)
            if cause is None:
                raise
            if attempt.is_stale:
                attempts.add_failure(Cause.STALE)
                return None
            attempts.add_failure(cause)
            if cause is Cause.DESCRIPTORS and isinstance(session.connector, Connector):
                # Frees the descriptors of idle connections for callers and health checks.
                session.connector.suspend_reuse()
            raise failure(cause) from None
        finally:
            attempts.count += attempt.sent
        assert isinstance(response, Response)  # noqa: S101 - the session's response_class
        if attempt.reused and is_idle_timeout(response):
            response.close()
            attempts.add_failure(Cause.STALE)
            return None
        return response

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session, which can be created only while the event loop runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=Connector(),
                timeout=aiohttp.ClientTimeout(connect=self._connect_seconds),
                # No default headers: aiohttp would also send them, with the key, to a proxy.
                request_class=Request,
                response_class=Response,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=READ_BUFFER_BYTES,
                # UpstreamConnection limits the whole head, so lines need no lower limit.
                max_line_size=MAX_HEAD_BYTES,
                max_field_size=MAX_HEAD_BYTES,
                max_headers=MAX_HEADERS,
            )
        return self._session


def is_success(response: Response) -> bool:
    """Report whether the upstream accepts the request."""
    return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES


async def error_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the start of the body of an error, or what of it arrives in time."""
    body = b""
    # The status alone determines a failure, so errors while reading the body are ignored.
    with suppress(aiohttp.ClientError, TimeoutError, errors.UpstreamProtocolError):
        inflate = inflater(response.headers.get("content-encoding", "identity"))
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            while data := await response.content.readany():
                for part in inflate(data) if inflate else (data,):
                    body += part
                    if len(body) >= MAX_ERROR_BODY_BYTES:
                        return body
    return body
