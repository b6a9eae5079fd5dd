"""The HTTP client of an OpenAI-compatible upstream."""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import yarl
from aiohttp.payload import Payload

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http.causes import cause_of, failure, is_idle_timeout
from tokenwire.upstreams.http.connections import MAX_HEAD_BYTES
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Attempt, Connector, Request, Response
from tokenwire.upstreams.http.trace_headers import trace_headers
from tokenwire.upstreams.openai.body import request_body
from tokenwire.upstreams.openai.endpoint import Credentials, endpoint, headers, root_endpoint
from tokenwire.upstreams.openai.rejection import rejection
from tokenwire.upstreams.openai.request_id import request_id
from tokenwire.upstreams.openai.response_body import ResponseBody
from tokenwire.upstreams.openai.response_events import ResponseEvents

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
ERROR_BODY_SECONDS: Final = 1.0
MAX_ERROR_BODY_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 1_024
"""More than any proxy adds. This is also the only limit on the trailers of a chunked body."""
READ_BUFFER_BYTES: Final = 1 << 12
"""The number of unread bytes per answer above which reading from the upstream pauses."""


class Upstream:
    """The endpoints of an API and the connections to it.

    Args:
        base_url: The base URL, as for OpenAI's SDK. Its query string is part of each request.
        credentials: See `endpoint.headers`.
        connect_seconds: The longest time to establish a connection. The reader of the events
            limits the time of the answer.
        proxy: The URL of an HTTP proxy, or None. Proxy environment variables are ignored.

    Attributes:
        embeddings_url: The URL of embeddings.
        tokenize_url: The URL of vLLM's tokenizer.
    """

    def __init__(
        self, base_url: str, credentials: Credentials, connect_seconds: float, proxy: str | None
    ) -> None:
        self.embeddings_url = endpoint(base_url, "/embeddings")
        self.tokenize_url = root_endpoint(base_url, "/tokenize")
        self._url = endpoint(base_url)
        self._headers = headers(base_url, credentials)
        self._key = credentials.api_key
        self._connect_seconds = connect_seconds
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def open(self, payload: dict[str, Any], attempts: Attempts) -> ResponseEvents:
        """Send `payload` and return the events of the response; the caller must close them.

        Args:
            payload: The body of the request, before encoding.
            attempts: Records the outcome of the request.

        Raises:
            ServiceError: The request fails or is rejected.
        """
        response = await self._request(self._url, payload, attempts, {})
        return ResponseEvents(response, attempts)

    async def open_body(
        self, url: yarl.URL, payload: dict[str, Any], attempts: Attempts
    ) -> ResponseBody:
        """Send `payload` to `url` and return the body of the response; the caller must close it.

        Args:
            url: One of the attributes.
            payload: See `open`.
            attempts: See `open`.

        Raises:
            ServiceError: The request fails or is rejected.
        """
        response = await self._request(url, payload, attempts, {"accept": "application/json"})
        return ResponseBody(response, attempts)

    async def _request(
        self, url: yarl.URL, payload: dict[str, Any], attempts: Attempts, headers: dict[str, str]
    ) -> Response:
        """Send a request and return its response, which is not a rejection."""
        response = await self._send(url, payload, attempts, headers)
        attempts.upstream_status = response.status
        attempts.upstream_request_id = request_id(response.headers, self._key)
        try:
            await _check_response(response)
        except BaseException:
            response.close()
            raise
        return response

    async def _send(
        self, url: yarl.URL, payload: dict[str, Any], attempts: Attempts, headers: dict[str, str]
    ) -> Response:
        """Send a request, and send it again on a new connection if the pooled one was stale."""
        body = await request_body(payload)
        response = await self._send_once(url, body, attempts, headers, Attempt(fresh=False))
        if response is None:
            response = await self._send_once(url, body, attempts, headers, Attempt(fresh=True))
        assert response is not None  # noqa: S101 - a fresh connection is not stale
        return response

    async def _send_once(
        self,
        url: yarl.URL,
        body: bytes | Payload,
        attempts: Attempts,
        headers: dict[str, str],
        attempt: Attempt,
    ) -> Response | None:
        """Return the response to a request, or None if its connection was stale."""
        session = self._open_session()
        attempts.begin_request()
        try:
            response = await session.post(
                url,
                data=body,
                headers=self._headers | headers | trace_headers(attempts.span),
                allow_redirects=False,
                proxy=self._proxy,
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


async def _check_response(response: Response) -> None:
    """Raise a ServiceError if the response is a rejection or a page of HTML."""
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        body = await _error_body(response)
        response.return_connection()
        raise rejection(response.status, response.headers, body)
    # Other content types say little: some upstreams send events as application/json.
    if response.content_type == "text/html":
        # The page of a proxy or a captive portal.
        raise errors.UpstreamError


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
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
