"""The web page of `make observe`: a dashboard that is redrawn every few seconds, and links.

The links lead to Prometheus' API only, because Debian's package lacks Prometheus' own web pages.
"""

import asyncio
import time
from html import escape
from string import Template
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

from aiohttp import web

from panel_queries import DASHBOARDS, panel_queries, substituted
from pictures import INTERVAL, draw
from prometheus_server import Prometheus

HOST: Final = "127.0.0.1"
HOME: Final = "overview"
NAMES: Final = sorted(
    (file.stem for file in DASHBOARDS.glob("*.json")), key=lambda name: (name != HOME, name)
)
REDRAW_SECONDS: Final = 3.0
"""The interval of the drawings."""
SPAN_SECONDS: Final = 300.0
"""The longest time range of a drawing."""

PAGE: Final = Template(
    """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>tokenwire / $name</title>
<style>
body { font-family: Arial, sans-serif; max-width: 1200px; margin: 1em auto; color: #222; }
nav a { margin-right: 1.5em; }
svg { width: 100%; height: auto; }
td { padding: 2px 12px 2px 0; font-size: 13px; }
</style>
<nav>$dashboards</nav>
<nav>$links</nav>
<p id="state">Drawn again every $every seconds.</p>
<main data-drawings="1">$drawing</main>
<details>
<summary>Queries of the panels; each links to its present result</summary>
<table>$queries</table>
</details>
<script>
const main = document.querySelector("main");
async function again() {
  try {
    const response = await fetch("/drawings/$name");
    if (!response.ok) throw new Error(response.status);
    main.innerHTML = await response.text();
    main.dataset.drawings = Number(main.dataset.drawings) + 1;
    setTimeout(again, $every * 1000);
  } catch (error) {
    document.querySelector("#state").textContent = "make observe has ended.";
  }
}
setTimeout(again, $every * 1000);
</script>
"""
)


class ObservePage:
    """An HTTP server on loopback; entering the block starts it, leaving the block stops it.

    Only one drawing is made at a time, and all browsers share it until it is outdated.

    Args:
        prometheus: The source of the data.
        metrics_address: HOST:PORT of the service's metrics.

    Attributes:
        url: The URL of the page.
    """

    url: str

    def __init__(self, prometheus: Prometheus, metrics_address: str) -> None:
        self._prometheus = prometheus
        self._metrics_url = f"http://{metrics_address}/metrics"
        self._started = time.monotonic()
        self._drawing = asyncio.Lock()
        self._drawn: dict[str, tuple[float, str]] = {}
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get(f"/{{name:{'|'.join(NAMES)}}}", self._page)
        app.router.add_get(f"/drawings/{{name:{'|'.join(NAMES)}}}", self._fragment)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        [(_, port)] = self._runner.addresses
        self.url = f"http://{HOST}:{port}/"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", HOME)
        page = PAGE.substitute(
            name=name,
            every=f"{REDRAW_SECONDS:g}",
            dashboards="".join(_link(f"/{each}", each) for each in NAMES),
            links="".join(_link(url, text) for text, url in self._links().items()),
            drawing=await self._draw(name),
            queries="".join(self._rows(name)),
        )
        return web.Response(text=page, content_type="text/html")

    async def _fragment(self, request: web.Request) -> web.Response:
        drawing = await self._draw(request.match_info["name"])
        return web.Response(text=drawing, content_type="text/html")

    def _links(self) -> dict[str, str]:
        """Return the URLs of pages that a browser can display, by title."""
        api = f"{self._prometheus.url}/api/v1"
        return {
            "metrics of the service": self._metrics_url,
            "alerts (JSON)": f"{api}/alerts",
            "rules (JSON)": f"{api}/rules",
            "targets (JSON)": f"{api}/targets",
        }

    def _rows(self, name: str) -> list[str]:
        rows = []
        for query in panel_queries():
            if query.dashboard == name:
                expr = substituted(query.expr, INTERVAL, f"{SPAN_SECONDS:.0f}s")
                url = f"{self._prometheus.url}/api/v1/query?{urlencode({'query': expr})}"
                rows.append(f"<tr><td>{escape(query.title)}<td>{_link(url, expr)}\n")
        return rows

    async def _draw(self, name: str) -> str:
        """Return a drawing of a dashboard and the firing alerts, at most half an interval old."""
        async with self._drawing:
            moment, drawing = self._drawn.get(name, (0.0, ""))
            now = time.monotonic()
            if not drawing or now - moment > REDRAW_SECONDS / 2:
                firing = sorted(alert for _, alert in await self._prometheus.firing())
                span = min(SPAN_SECONDS, now - self._started + 1)
                drawing = f"<p>Alerts that fire: {escape(', '.join(firing) or 'none')}.</p>\n"
                drawing += await draw(self._prometheus, name, span)
                self._drawn[name] = now, drawing
            return drawing


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>\n'
