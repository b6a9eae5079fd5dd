"""The endpoint of an OpenAI-compatible upstream."""

from typing import Any, Final

import yarl

from tokenwire.core.attempts import Attempts
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.openai.body import request_body
from tokenwire.upstreams.openai.endpoint import (
    CHAT_PATH,
    RESPONSES_PATH,
    Credentials,
    endpoint,
    headers,
    root_endpoint,
)
from tokenwire.upstreams.openai.request_id import request_id
from tokenwire.upstreams.openai.response_body import ResponseBody
from tokenwire.upstreams.openai.response_check import check_response
from tokenwire.upstreams.openai.response_events import ResponseEvents

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
MAX_EVENT_BYTES: Final = {CHAT_PATH: 1 << 20, RESPONSES_PATH: 1 << 21}
"""The size limit of one event by dialect. The last event of a responses stream repeats the answer
and most of the request."""


class Upstream:
    """The endpoints of an API and the connections to it.

    Args:
        base_url: The base URL, as for OpenAI's SDK. Its query string is part of each request.
        credentials: See `endpoint.headers`.
        client: Sends the requests; this object closes it.
        path: The path of the dialect below the base URL.

    Attributes:
        embeddings_url: The URL of embeddings.
        tokenize_url: The URL of vLLM's tokenizer.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        client: HttpClient,
        path: str = CHAT_PATH,
    ) -> None:
        self.embeddings_url = endpoint(base_url, "/embeddings")
        self.tokenize_url = root_endpoint(base_url, "/tokenize")
        self._url = endpoint(base_url, path)
        self._max_event_bytes = MAX_EVENT_BYTES[path]
        self._headers = headers(base_url, credentials)
        self._key = credentials.api_key
        self._client = client

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def open(self, payload: dict[str, Any], attempts: Attempts) -> ResponseEvents:
        """Send `payload` and return the events of the response; the caller must close them.

        Args:
            payload: The body of the request, before encoding.
            attempts: Records the outcome of the request.

        Raises:
            ServiceError: The request fails or is rejected.
        """
        response = await self._request(self._url, payload, attempts, {})
        return ResponseEvents(response, attempts, self._max_event_bytes)

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
        body = await request_body(payload)
        response = await self._client.post(url, self._headers | headers, body, attempts)
        attempts.upstream_status = response.status
        attempts.upstream_request_id = request_id(response.headers, self._key)
        try:
            await check_response(response)
        except BaseException:
            response.close()
            raise
        return response
