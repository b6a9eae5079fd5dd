"""The pages of the metrics port, and errors for all other requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.rendering import (
    Renderer,
    ScrapeRequest,
    accepts_gzip,
    accepts_openmetrics,
)
from tokenwire.observability.metrics_server.status import StatusPages

log = logging.getLogger(__name__)

METHODS: Final = ("GET", "HEAD")
RECHECK_SECONDS: Final = 1.0
"""The time after which a lagging event loop is checked again. After a pause of the whole process,
such as SIGSTOP, the event loop catches up within this time."""


class Pages:
    """Handles requests.

    Args:
        renderer: Renders the metrics.
        lag: Returns the current lag of the process's event loop, in seconds.
        limits: The limits of time.
        status: The pages with the status; None for none.
    """

    def __init__(
        self,
        renderer: Renderer,
        lag: Callable[[], float],
        limits: Limits,
        status: StatusPages | None = None,
    ) -> None:
        self._renderer = renderer
        self._lag = lag
        self._limits = limits
        self._pages: dict[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "/metrics": self._metrics,
            "/healthz": self._healthz,
        }
        if status:
            self._pages |= {"/": status.page, "/status.json": status.json}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Return the response to a request."""
        page = self._pages.get(request.path)
        if page is None:
            return _text(404, "Not found. Use /, /status.json, /metrics or /healthz.")
        if request.method not in METHODS:
            return _text(405, "Method not allowed. Use GET or HEAD.", {"Allow": ", ".join(METHODS)})
        if request.body_exists:
            return _text(413, "A request must not have a body.")
        try:
            return await page(request)
        except Exception:
            log.exception("metrics page failed")
            return _text(500, "Internal error. The log has the details.")

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        scrape = ScrapeRequest(
            openmetrics=accepts_openmetrics(request.headers.get("Accept", "")),
            compressed=accepts_gzip(request.headers.get("Accept-Encoding", "")),
            names=frozenset(request.query.getall("name[]", ())),
        )
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                body = await self._renderer.render(scrape)
        except TimeoutError:
            return _text(503, "Too many concurrent scrapes.", {"Retry-After": "1"})
        headers = {"Content-Type": scrape.content_type, "Vary": "Accept, Accept-Encoding"}
        if scrape.compressed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def _healthz(self, _: web.BaseRequest) -> web.Response:
        if self._lag() > self._limits.stuck_seconds:
            await asyncio.sleep(RECHECK_SECONDS)
        lag = self._lag()
        if lag > self._limits.stuck_seconds:
            return _text(503, f"The event loop has not run for {lag:.0f} s.")
        return _text(200, "ok")


def _text(status: int, line: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{line}\n", headers=headers)
