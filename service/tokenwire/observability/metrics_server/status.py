"""The pages with the status of the process: / and /status.json."""

import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec
from aiohttp import web
from pydantic import SecretStr

from tokenwire.observability.status import ProcessStatus
from tokenwire.observability.status.page import HEADERS, render

SHARED_SECONDS: Final = 1.0
"""How long all requests share one status, which takes time to collect."""
JSON: Final = {"Content-Type": "application/json", "Cache-Control": "no-store"}

CollectStatus: TypeAlias = Callable[[], Awaitable[Sequence[ProcessStatus]]]
"""Returns the status of the server, or of each of its workers."""


class StatusPages:
    """Answers requests for the status.

    Args:
        collect: Returns the status.
        token: The bearer token that requests must have; None for none.
    """

    def __init__(self, collect: CollectStatus, token: SecretStr | None) -> None:
        self._collect = collect
        self._token = token.get_secret_value().encode() if token else b""
        self._latest: tuple[float, Sequence[ProcessStatus]] = (0.0, ())

    async def page(self, request: web.BaseRequest) -> web.Response:
        """Return the page for people."""
        if refusal := self._refusal(request):
            return refusal
        text = render(await self._status())
        return web.Response(body=text.encode(), headers=HEADERS)

    async def json(self, request: web.BaseRequest) -> web.Response:
        """Return the same for scripts: a list with an object for each process."""
        if refusal := self._refusal(request):
            return refusal
        return web.Response(body=msgspec.json.encode(await self._status()), headers=JSON)

    async def _status(self) -> Sequence[ProcessStatus]:
        moment, status = self._latest
        if not status or time.monotonic() - moment > SHARED_SECONDS:
            status = await self._collect()
            self._latest = time.monotonic(), status
        return status

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Return the response to a request without the token, or None."""
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not self._token or hmac.compare_digest(given, b"Bearer " + self._token):
            return None
        headers = {"WWW-Authenticate": "Bearer"}
        return web.Response(status=401, text="A bearer token is needed.\n", headers=headers)
