"""HTTP to an OpenAI-compatible upstream."""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.payload import Payload

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts, Cause
from tokenwire.upstreams.http.causes import cause_of, failure, is_idle_timeout
from tokenwire.upstreams.http.connections import MAX_HEAD_BYTES
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Attempt, Connector, Request, Response
from tokenwire.upstreams.http.trace_headers import trace_headers
from tokenwire.upstreams.openai.body import request_body
from tokenwire.upstreams.openai.endpoint import Credentials, endpoint, headers
from tokenwire.upstreams.openai.rejection import rejection
from tokenwire.upstreams.openai.request_id import request_id
from tokenwire.upstreams.openai.response_events import ResponseEvents

OPENAI: Final = "https://api.openai.com/v1"
ERROR_BODY_SECONDS: Final = 1.0
MAX_ERROR_BODY_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 1_024
"""Far more than any proxy adds. It is all that bounds the fields behind a chunked body."""
WAITING_BYTES: Final = 1 << 12
"""How much may wait unread for one answer before the upstream is slowed down."""


class Upstream:
    """A chat-completions endpoint and the connections to it.

    Args:
        base_url: As given to OpenAI's SDK; a query string is sent along.
        credentials: See `endpoint.headers`.
        connect_seconds: How long connecting may take. How long answers may
            take is up to whoever reads the events.
        proxy: URL of an HTTP proxy, or None. The environment names none.
    """

    def __init__(
        self, base_url: str, credentials: Credentials, connect_seconds: float, proxy: str | None
    ) -> None:
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
        """Send `payload` and return the events of the response, which is to be closed.

        Args:
            payload: The request.
            attempts: Gets what becomes of it.

        Raises:
            ServiceError: The request fails or is rejected.
        """
        response = await self._ask(payload, attempts)
        attempts.upstream_status = response.status
        attempts.upstream_request_id = request_id(response.headers, self._key)
        try:
            await _accept(response)
        except BaseException:
            response.close()
            raise
        return ResponseEvents(response, attempts)

    async def _ask(self, payload: dict[str, Any], attempts: Attempts) -> Response:
        """Send a request, and once more where the pool's connection had gone stale meanwhile."""
        body = await request_body(payload)
        response = await self._attempt(body, attempts, Attempt(fresh=False))
        if response is None:
            response = await self._attempt(body, attempts, Attempt(fresh=True))
        assert response is not None  # noqa: S101 - a fresh connection is not stale
        return response

    async def _attempt(
        self, body: bytes | Payload, attempts: Attempts, attempt: Attempt
    ) -> Response | None:
        """Return the response to a request, or None if its connection was stale."""
        session = self._open_session()
        attempts.begin_request()
        try:
            response = await session.post(
                self._url,
                data=body,
                headers=self._headers | trace_headers(attempts.span),
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
                # Callers and health checks need them more than the pool.
                session.connector.keep_none()
            raise failure(cause) from None
        finally:
            attempts.count += attempt.sent
        assert isinstance(response, Response)  # noqa: S101 - the session makes no others
        if attempt.reused and is_idle_timeout(response):
            response.close()
            attempts.add_failure(Cause.STALE)
            return None
        return response

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session, which has to be made while the event loop runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=Connector(),
                timeout=aiohttp.ClientTimeout(connect=self._connect_seconds),
                # No headers here: aiohttp sends those to a proxy too, which would see the key.
                request_class=Request,
                response_class=Response,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=WAITING_BYTES,
                # No line can be longer than the head, which is bounded as a whole.
                max_line_size=MAX_HEAD_BYTES,
                max_field_size=MAX_HEAD_BYTES,
                max_headers=MAX_HEADERS,
            )
        return self._session


async def _accept(response: Response) -> None:
    """Raise what is wrong with a response that holds no events."""
    if response.status != HTTPStatus.OK:
        body = await _error_body(response)
        response.give_back()
        raise rejection(response.status, response.headers, body)
    if response.content_type == "text/html":
        # A proxy's or portal's page in the place of the upstream.
        raise errors.UpstreamError


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    # The status has said enough for a reason, so nothing that goes wrong here counts.
    with suppress(aiohttp.ClientError, TimeoutError, errors.UpstreamProtocolError):
        inflate = inflater(response.headers.get("content-encoding", "identity"))
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            while data := await response.content.readany():
                for part in inflate(data) if inflate else (data,):
                    body += part
                    if len(body) >= MAX_ERROR_BODY_BYTES:
                        return body
    return body
