"""What the metrics port answers: /metrics, /healthz, and what is wrong with the rest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.rendering import (
    Renderer,
    Wanted,
    accepts_gzip,
    accepts_openmetrics,
)

log = logging.getLogger(__name__)

METHODS: Final = ("GET", "HEAD")
CERTAIN_SECONDS: Final = 1.0
"""How long a late event loop gets to run after all: a whole process may have been paused."""


class Pages:
    """Answers requests.

    Args:
        renderer: Of the metrics.
        lateness: Returns for how many seconds the process's event loop is overdue.
        limits: Bounds of time.
    """

    def __init__(self, renderer: Renderer, lateness: Callable[[], float], limits: Limits) -> None:
        self._renderer = renderer
        self._lateness = lateness
        self._limits = limits
        self._pages: dict[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "/metrics": self._metrics,
            "/healthz": self._healthz,
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Return the response to any request."""
        page = self._pages.get(request.path)
        if page is None:
            return _text(404, "Not found. There are /metrics and /healthz.")
        if request.method not in METHODS:
            return _text(405, "Only GET and HEAD.", {"Allow": ", ".join(METHODS)})
        if request.body_exists:
            return _text(413, "A request must not have a body.")
        try:
            return await page(request)
        except Exception:
            log.exception("metrics page failed")
            return _text(500, "Internal error; the log has more.")

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        wanted = Wanted(
            openmetrics=accepts_openmetrics(request.headers.get("Accept", "")),
            compressed=accepts_gzip(request.headers.get("Accept-Encoding", "")),
            names=frozenset(request.query.getall("name[]", ())),
        )
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                body = await self._renderer.render(wanted)
        except TimeoutError:
            return _text(503, "Too many scrapes at once.", {"Retry-After": "1"})
        headers = {"Content-Type": wanted.content_type, "Vary": "Accept, Accept-Encoding"}
        if wanted.compressed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def _healthz(self, _: web.BaseRequest) -> web.Response:
        if self._lateness() > self._limits.stuck_seconds:
            await asyncio.sleep(CERTAIN_SECONDS)
        late = self._lateness()
        if late > self._limits.stuck_seconds:
            return _text(503, f"The event loop has not run for {late:.0f} s.")
        return _text(200, "ok")


def _text(status: int, line: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{line}\n", headers=headers)
