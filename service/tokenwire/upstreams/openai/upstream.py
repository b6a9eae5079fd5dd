"""HTTP to an OpenAI-compatible upstream: one request in, its events out."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.payload import Payload

from tokenwire.core import attempts, errors
from tokenwire.core.attempts import Cause, Exchange
from tokenwire.upstreams.http.causes import cause_of, cause_of_end, failure, is_idle_timeout
from tokenwire.upstreams.http.connections import MAX_HEAD_BYTES, Connection
from tokenwire.upstreams.http.inflate import inflater
from tokenwire.upstreams.http.pool import Attempt, Connector, Request, Response
from tokenwire.upstreams.http.sse import Event, EventReader
from tokenwire.upstreams.openai.body import request_body
from tokenwire.upstreams.openai.endpoint import Credentials, endpoint, headers
from tokenwire.upstreams.openai.rejection import is_error, rejection
from tokenwire.upstreams.openai.request_id import request_id

OPENAI: Final = "https://api.openai.com/v1"
DONE: Final = b"[DONE]"
"""The data of the event that ends a stream."""
END_OF_BODY_SECONDS: Final = 0.05
ERROR_BODY_SECONDS: Final = 1.0
MAX_EVENT_BYTES: Final = 1 << 20
MAX_ERROR_BODY_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 1_024
"""Far more than any proxy adds. It is all that bounds the fields behind a chunked body."""
READ_BYTES: Final = 1 << 14
"""How much is read at once. It bounds the text of one Answer, but for a large event, and what
an answer holds while its caller takes nothing."""
WAITING_BYTES: Final = 1 << 12
"""How much may wait unread for one answer before the upstream is slowed down."""


class Upstream:
    """A chat-completions endpoint and the connections to it.

    Args:
        base_url: As given to OpenAI's SDK; a query string is sent along.
        credentials: See `endpoint.headers`.
        connect_seconds: How long connecting may take. How long answers may
            take is up to whoever iterates over the events.
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

    async def events(self, payload: dict[str, Any]) -> AsyncGenerator[list[Event], None]:
        """Send `payload` and yield the events of the response, as they are read.

        Each list holds all events that have arrived until then.

        Raises:
            ServiceError: The request fails or is rejected, or the response breaks.
        """
        reader = EventReader(MAX_EVENT_BYTES, last=DONE)
        record = attempts.noted()
        async with self._response(payload, record) as response:
            # It has been sent, and an answer can take long.
            del payload
            inflate = inflater(response.headers.get("content-encoding", "identity"))
            body = response.content
            try:
                while data := await body.read(READ_BYTES):
                    if not record.begun:
                        record.read = time.monotonic()
                    for count, part in enumerate(inflate(data)):
                        if count:
                            # What unpacks to much must not keep other calls waiting.
                            await asyncio.sleep(0)
                        yield reader.feed(part)
                        if reader.failure:
                            raise reader.failure
                        if reader.ended:
                            await _finish(body)
                            return
            except aiohttp.ClientError as error:
                # The body keeps it, and it this frame: a cycle.
                error.__traceback__ = None
                record.failed(_cause_of_break(response))
                raise errors.UpstreamStreamBroken from None
        if is_error(reader.rest):
            # Written plainly into the body, in place of an event.
            raise errors.UpstreamError
        yield reader.end()

    @asynccontextmanager
    async def _response(
        self, payload: dict[str, Any], record: Exchange
    ) -> AsyncGenerator[Response, None]:
        response = await self._ask(payload, record)
        del payload
        try:
            record.upstream_status = response.status
            record.upstream_request_id = request_id(response.headers, self._key)
            if response.status != HTTPStatus.OK:
                body = await _error_body(response)
                response.give_back()
                raise rejection(response.status, response.headers, body)
            if response.content_type == "text/html":
                # A proxy's or portal's page in the place of the upstream.
                raise errors.UpstreamError
            yield response
            response.give_back()
        finally:
            # Ends the request at once, without waiting for anything, unless it has ended.
            response.close()

    async def _ask(self, payload: dict[str, Any], record: Exchange) -> Response:
        """Send a request, and once more where the pool's connection had gone stale meanwhile."""
        body = await request_body(payload)
        response = await self._attempt(body, record, Attempt(fresh=False))
        if response is None:
            response = await self._attempt(body, record, Attempt(fresh=True))
        assert response is not None  # noqa: S101 - a fresh connection is not stale
        return response

    async def _attempt(
        self, body: bytes | Payload, record: Exchange, attempt: Attempt
    ) -> Response | None:
        """Return the response to a request, or None if its connection was stale."""
        session = self._open_session()
        record.asking()
        try:
            response = await session.post(
                self._url,
                data=body,
                headers=self._headers | record.headers(),
                allow_redirects=False,
                proxy=self._proxy,
                middlewares=(attempt,),
            )
        except (aiohttp.ClientError, TimeoutError, UnicodeError, RuntimeError) as error:
            cause = cause_of(error, attempt.connection)
            if cause is None:
                raise
            if attempt.is_stale:
                record.failed(Cause.STALE)
                return None
            record.failed(cause)
            if cause is Cause.DESCRIPTORS and isinstance(session.connector, Connector):
                # Callers and health checks need them more than the pool.
                session.connector.keep_none()
            raise failure(cause) from None
        finally:
            record.attempts += attempt.sent
        assert isinstance(response, Response)  # noqa: S101 - the session makes no others
        if attempt.reused and is_idle_timeout(response):
            response.close()
            record.failed(Cause.STALE)
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


def _cause_of_break(response: Response) -> Cause:
    connection = response.connection and response.connection.protocol
    return cause_of_end(connection) if isinstance(connection, Connection) else Cause.OTHER


async def _finish(body: aiohttp.StreamReader) -> None:
    """Read the end of the body, which is due now, so that the connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(END_OF_BODY_SECONDS):
            await body.readany()


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    # The status has said enough for a reason, so nothing that goes wrong here counts.
    with suppress(aiohttp.ClientError, TimeoutError, errors.UpstreamProtocolError):
        inflate = inflater(response.headers.get("content-encoding", "identity"))
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            while data := await response.content.readany():
                for part in inflate(data):
                    body += part
                    if len(body) >= MAX_ERROR_BODY_BYTES:
                        return body
    return body
