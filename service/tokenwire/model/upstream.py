"""HTTP to an OpenAI-compatible upstream: one request in, its events out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tokenwire import __version__, errors
from tokenwire.model.inflate import inflater
from tokenwire.model.rejection import rejection
from tokenwire.model.sse import Event, EventReader

OPENAI: Final = "https://api.openai.com/v1"
DONE: Final = b"[DONE]"
"""The data of the event that ends a stream."""
END_OF_BODY_SECONDS: Final = 0.05
ERROR_BODY_SECONDS: Final = 1.0
MAX_EVENT_BYTES: Final = 1 << 20
MAX_ERROR_BODY_BYTES: Final = 1 << 16
KEEPALIVE_CONNECTIONS: Final = 256


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
        base = httpx2.URL(base_url)
        self.url = base.copy_with(path=base.path.rstrip("/") + "/chat/completions")
        headers = {
            "user-agent": f"tokenwire/{__version__}",
            "accept": "text/event-stream",
            "accept-encoding": "identity",
        }
        if credentials.api_key:
            headers["authorization"] = f"Bearer {credentials.api_key}"
            if "api-version" in base.params:
                headers["api-key"] = credentials.api_key
        if credentials.organization:
            headers["openai-organization"] = credentials.organization
        if credentials.project:
            headers["openai-project"] = credentials.project
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=connect_seconds),
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=KEEPALIVE_CONNECTIONS
            ),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def events(self, payload: dict[str, Any]) -> AsyncGenerator[list[Event], None]:
        """Send `payload` and yield the events of the response, as they are read.

        Raises:
            ServiceError: The request fails or is rejected, or the response breaks.
        """
        reader = EventReader(MAX_EVENT_BYTES, last=DONE)
        async with self._response(payload) as response:
            inflate = inflater(response.headers.get("content-encoding", "identity"))
            body = response.aiter_raw()
            try:
                async for data in body:
                    for part in inflate(data):
                        yield reader.feed(part)
                    if reader.ended:
                        await _finish(body)
                        return
            except httpx2.HTTPError:
                raise errors.UpstreamStreamBroken from None

    @asynccontextmanager
    async def _response(self, payload: dict[str, Any]) -> AsyncGenerator[httpx2.Response, None]:
        request = self._client.build_request("POST", self.url, json=payload)
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.HTTPError:
            raise errors.UpstreamUnreachable from None
        try:
            if response.status_code != httpx2.codes.OK:
                body = await _error_body(response)
                raise rejection(response.status_code, response.headers, body)
            if response.headers.get("content-type", "").startswith("text/html"):
                # A proxy's or portal's page in the place of the upstream.
                raise errors.UpstreamError
            yield response
        finally:
            await response.aclose()


async def _finish(body: AsyncIterator[bytes]) -> None:
    """Read the end of the body, which is due now, so that the connection can be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(END_OF_BODY_SECONDS):
            await anext(body, None)


async def _error_body(response: httpx2.Response) -> bytes:
    body = b""
    # The status has said enough for a reason, so nothing that goes wrong here counts.
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            async for data in response.aiter_raw():
                body += data
                if len(body) > MAX_ERROR_BODY_BYTES:
                    break
    return body
