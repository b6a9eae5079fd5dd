"""HTTP to an OpenAI-compatible upstream: one request in, its events out."""

import asyncio
import io
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import msgspec
import yarl
from aiohttp.client_proto import ResponseHandler

from tokenwire import __version__, errors, exchange
from tokenwire.exchange import Exchange
from tokenwire.model.inflate import inflater
from tokenwire.model.rejection import is_error, rejection
from tokenwire.model.sse import Event, EventReader

OPENAI: Final = "https://api.openai.com/v1"
DONE: Final = b"[DONE]"
"""The data of the event that ends a stream."""
END_OF_BODY_SECONDS: Final = 0.05
ERROR_BODY_SECONDS: Final = 1.0
KEEPALIVE_SECONDS: Final = 30.0
MAX_EVENT_BYTES: Final = 1 << 20
MAX_ERROR_BODY_BYTES: Final = 1 << 16
LARGE_BODY_BYTES: Final = 1 << 18
READ_BYTES: Final = 1 << 14
"""How much is read at once. It bounds the text of one Answer, but for a large event, and what
an answer holds while its caller takes nothing."""
WAITING_BYTES: Final = 1 << 12
"""How much may wait unread for one answer before the upstream is slowed down."""
RECEIVE_BUFFER_BYTES: Final = 1 << 15
"""Of a connection's socket: without a bound one read brings 256 KiB, however little is asked
for. Linux takes twice the number, which lets 6 MB/s pass at a round trip of 10 ms."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks; what is empty is not sent."""

    api_key: str = field(default="", repr=False)
    organization: str = ""
    project: str = ""


class Upstream:
    """A chat-completions endpoint and the connections to it.

    Args:
        base_url: As given to OpenAI's SDK; a query string is sent along.
        credentials: The key goes as a bearer token, and also as `api-key` where
            the base URL names an `api-version`, as Azure's does.
        connect_seconds: How long connecting may take. How long answers may
            take is up to whoever iterates over the events.
        proxy: URL of an HTTP proxy, or None. The environment names none.
    """

    def __init__(
        self, base_url: str, credentials: Credentials, connect_seconds: float, proxy: str | None
    ) -> None:
        base = yarl.URL(base_url)
        self._url = base.with_path(base.path.rstrip("/") + "/chat/completions", keep_query=True)
        self._headers = _headers(base, credentials)
        self._connect_seconds = connect_seconds
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._bodies: dict[ResponseHandler, aiohttp.StreamReader] = {}

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
        record = exchange.noted()
        async with self._response(payload, record) as response:
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
                raise errors.UpstreamStreamBroken from None
        if is_error(reader.rest):
            # Written plainly into the body, in place of an event.
            raise errors.UpstreamError
        yield reader.end()

    @asynccontextmanager
    async def _response(
        self, payload: dict[str, Any], record: Exchange
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        body = msgspec.json.encode(payload)
        record.sent = record.sent or time.monotonic()
        try:
            response = await self._open_session().post(
                self._url,
                # As a file it is sent piece by piece, between which other calls go on.
                data=io.BytesIO(body) if len(body) > LARGE_BODY_BYTES else body,
                headers=record.headers(),
                allow_redirects=False,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, TimeoutError, UnicodeError):
            # UnicodeError: a name that is too long to be looked up.
            raise errors.UpstreamUnreachable from None
        try:
            self._watch(response)
            if response.status != HTTPStatus.OK:
                body = await _error_body(response)
                raise rejection(response.status, response.headers, body)
            if response.content_type == "text/html":
                # A proxy's or portal's page in the place of the upstream.
                raise errors.UpstreamError
            yield response
        finally:
            # Ends the request at once, without waiting for anything; a response that was
            # read to its end has given its connection back already.
            response.close()

    def _watch(self, response: aiohttp.ClientResponse) -> None:
        """Fail the response's body when its connection is lost before the body's end.

        aiohttp drops a connection whose chunks do not parse, but lets whoever
        reads the body wait for ever.
        """
        protocol = response.connection.protocol if response.connection else None
        if protocol is None:
            return
        lost = protocol.closed
        if lost is None:
            _break(response.content)
            return
        if protocol not in self._bodies:
            lost.add_done_callback(lambda lost: self._on_lost(protocol, lost))
        self._bodies[protocol] = response.content

    def _on_lost(self, protocol: ResponseHandler, lost: asyncio.Future[None]) -> None:
        lost.exception()  # seen here, or asyncio logs that nobody saw it
        _break(self._bodies.pop(protocol))

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session, which has to be made while the event loop runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=KEEPALIVE_SECONDS, socket_factory=_small_socket
                ),
                timeout=aiohttp.ClientTimeout(connect=self._connect_seconds),
                headers=self._headers,
                request_class=_Request,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=WAITING_BYTES,
            )
        return self._session


def _small_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return made


class _Request(aiohttp.ClientRequest):
    """A request that can be given up while the upstream has not taken all of it."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        def abort_unsent() -> None:
            # Closing would wait until the upstream has taken the rest.
            if conn.transport and conn.transport.get_write_buffer_size():
                conn.transport.abort()

        conn.add_callback(abort_unsent)
        return await super().send(conn)


def _headers(base: yarl.URL, credentials: Credentials) -> dict[str, str]:
    headers = {
        "user-agent": f"tokenwire/{__version__}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    if credentials.api_key:
        headers["authorization"] = f"Bearer {credentials.api_key}"
        if "api-version" in base.query:
            headers["api-key"] = credentials.api_key
    if credentials.organization:
        headers["openai-organization"] = credentials.organization
    if credentials.project:
        headers["openai-project"] = credentials.project
    return headers


def _break(body: aiohttp.StreamReader) -> None:
    if not body.is_eof() and body.exception() is None:
        body.set_exception(aiohttp.ClientPayloadError())


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
