"""Sends the requests of a provider's package with the service's own HTTP client.

The clients of the packages repeat requests, follow redirects, store cookies, read proxy variables
and set no limits of size. Behind this transport, none of that has an effect, and the rules for the
connections of OpenAI-compatible upstreams apply to every provider.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Self

import msgspec
from aiohttp.payload import Payload
from yarl import URL

from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.langchain.body import Body
from tokenwire.upstreams.langchain.exchange import EXCHANGE, ProviderExchange
from tokenwire.upstreams.langchain.framing import Framing
from tokenwire.upstreams.openai.body import request_body
from tokenwire.upstreams.openai.request_id import request_id
from tokenwire.upstreams.openai.response_check import check_response

NOT_FORWARDED: Final = {
    *("accept-encoding", "connection", "content-length", "cookie", "host", "transfer-encoding"),
    *("traceparent", "tracestate"),
}
"""Headers that the HTTP client sets itself."""


async def send(
    client: HttpClient,
    url: str,
    headers: dict[str, str],
    body: bytes | Payload,
    exchange: ProviderExchange,
) -> Response:
    """Send the request of an exchange, and return the response with an answer.

    Args:
        client: Sends it.
        url: The encoded URL.
        headers: The headers, without those that the client sets.
        body: The body.
        exchange: The exchange, which closes the response.

    Raises:
        ServiceError: The request fails or is rejected.
    """
    # Marked as encoded, so that yarl does not normalize it.
    response = await client.post(URL(url, encoded=True), headers, body, exchange.attempts)
    exchange.opened(response)
    exchange.attempts.upstream_status = response.status
    exchange.attempts.upstream_request_id = request_id(response.headers, exchange.key)
    await check_response(response)
    return response


class Transport:
    """A transport of httpx or httpx2, which have the same interface.

    Args:
        client: Sends the requests.
        library: The module `httpx` or `httpx2`.
        framing: The framing of responses.
    """

    def __init__(
        self, client: HttpClient, library: ModuleType, framing: Callable[[], Framing]
    ) -> None:
        self._client = client
        self._make_response: Callable[..., Any] = library.Response
        self._make_stream = type("Stream", (Body, library.AsyncByteStream), {})
        self._framing = framing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of the package and return the response.

        Raises:
            ServiceError: The request fails or is rejected.
        """
        exchange = EXCHANGE.get()
        try:
            return await self._send(request, exchange)
        except ServiceError as error:
            exchange.failure = error
            raise

    async def _send(self, request: Any, exchange: ProviderExchange) -> Any:
        exchange.sent = True
        body: bytes | Payload = await request.aread()
        if exchange.amend:
            payload = msgspec.json.decode(await request.aread())
            exchange.amend(payload)
            body = await request_body(payload)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in NOT_FORWARDED
        }
        headers["accept-encoding"] = "identity"
        response = await send(self._client, str(request.url), headers, body, exchange)
        framing = self._framing()
        return self._make_response(
            200,
            headers={"content-type": framing.content_type},
            stream=self._make_stream(response, framing, exchange),
            request=request,
        )
